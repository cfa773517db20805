/** Runs `work` for every item, in order, in so many lanes; resolves with the seconds it took. */
export async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, lane: number) => Promise<void>,
): Promise<number> {
  let next = 0;
  const began = performance.now();
  const run = async (lane: number): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item, lane);
  };
  await Promise.all(Array.from({ length: atOnce }, (_, lane) => run(lane)));
  return (performance.now() - began) / 1000;
}
