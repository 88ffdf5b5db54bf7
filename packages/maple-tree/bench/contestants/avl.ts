import { AVLTree } from "avl";
import { type Contestant, type Held, OrderedRanges } from "../range-map.ts";

class AvlRanges extends OrderedRanges {
  readonly #tree = new AVLTree<number, Held>((a, b) => a - b);

  /** The library finds keys, not floors: its nodes are walked by hand. */
  #nodeAt(address: number): ReturnType<AVLTree<number, Held>["find"]> {
    let node = this.#tree.root;
    let floor: typeof node = null;
    while (node !== null) {
      if (node.key > address) node = node.left;
      else {
        floor = node;
        node = node.right;
      }
    }
    return floor;
  }

  floor(address: number): Held | undefined {
    return this.#nodeAt(address)?.data;
  }

  put(range: Held): void {
    this.#tree.insert(range.start, range);
  }

  remove(start: number): void {
    this.#tree.remove(start);
  }

  scanUp(from: number, visitor: (range: Held) => boolean): void {
    const under = this.#nodeAt(from);
    let node = under === null ? this.#tree.minNode() : under.key === from ? under : this.#tree.next(under);
    for (; node !== null; node = this.#tree.next(node)) if (!visitor(node.data!)) return;
  }

  scanDown(from: number, visitor: (range: Held) => boolean): void {
    for (let node = this.#nodeAt(from); node !== null; node = this.#tree.prev(node)) {
      if (!visitor(node.data!)) return;
    }
  }

  sum(): number {
    let sum = 0;
    this.#tree.forEach(({ data }) => {
      sum += data!.start + data!.end + data!.value;
    });
    return sum;
  }
}

export const contestant: Contestant = { make: () => new AvlRanges() };
