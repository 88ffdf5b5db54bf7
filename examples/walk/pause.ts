/** Waits for one key on the terminal; the terminal's mode is as before afterwards, whatever happens. */
export function waitForKey(prompt: string): Promise<"next" | "quit"> {
  const { stdin, stdout } = process;
  stdout.write(`\n[${prompt}] `);
  stdin.setRawMode(true);
  stdin.resume();
  return new Promise((resolve) => {
    stdin.once("data", (key: Buffer) => {
      stdin.setRawMode(false);
      stdin.pause();
      stdout.write("\n");
      const quit = key[0] === 3 || key[0] === 4 || key.toString().toLowerCase() === "q";
      resolve(quit ? "quit" : "next");
    });
  });
}
