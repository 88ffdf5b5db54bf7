/** The first snippet of a README and the output it promises; undefined when there is none. */
export function firstSnippet(readme: URL): { code: string; output: string } | undefined;
/** All snippets of a README that promise an output. */
export function snippets(readme: URL): { code: string; output: string }[];
