/** The promise's value, or "waiting" if it does not settle although everybody has had many turns. */
export async function outcome<T>(promise: Promise<T>, turns = 100): Promise<T | "waiting"> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  for (let turn = 0; turn < turns && !isSettled; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return isSettled ? promise : "waiting";
}
