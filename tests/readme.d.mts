/** The first snippet of a README and the output it promises; undefined when there is none. */
export function firstSnippet(readme: URL): { code: string; output: string } | undefined;
