/*
 * A weight-balanced binary tree that is never changed in place: an update copies the path from the root, as the
 * pure form of RCUVM's Bonsai tree does, and publishes the copy by storing the new root. Counts what it copies.
 *
 * Balance: Hirai and Yamamoto, "Balancing weight-balanced trees" (2011), with parameters (3, 2).
 */

interface Node {
  readonly key: number;
  readonly left: Node | undefined;
  readonly right: Node | undefined;
  readonly weight: number;
}

const DELTA = 3;
const RATIO = 2;

/** A set of numbers, persistent underneath. */
export class PathCopyTree {
  /** Nodes made since the start. */
  copied = 0;
  #root: Node | undefined;

  get size(): number {
    return weightOf(this.#root) - 1;
  }

  get levels(): number {
    return levelsOf(this.#root);
  }

  insert(key: number): void {
    this.#root = this.#inserted(this.#root, key);
  }

  delete(key: number): void {
    this.#root = this.#deleted(this.#root, key);
  }

  #make(key: number, left: Node | undefined, right: Node | undefined): Node {
    this.copied += 1;
    return { key, left, right, weight: weightOf(left) + weightOf(right) };
  }

  #inserted(node: Node | undefined, key: number): Node {
    if (node === undefined) return this.#make(key, undefined, undefined);
    if (key === node.key) return node;
    return key < node.key
      ? this.#balanced(node.key, this.#inserted(node.left, key), node.right)
      : this.#balanced(node.key, node.left, this.#inserted(node.right, key));
  }

  #deleted(node: Node | undefined, key: number): Node | undefined {
    if (node === undefined) return undefined;
    if (key < node.key) return this.#balanced(node.key, this.#deleted(node.left, key), node.right);
    if (key > node.key) return this.#balanced(node.key, node.left, this.#deleted(node.right, key));
    if (node.left === undefined) return node.right;
    if (node.right === undefined) return node.left;
    const next = leftmost(node.right);
    return this.#balanced(next, node.left, this.#deleted(node.right, next));
  }

  #balanced(key: number, left: Node | undefined, right: Node | undefined): Node {
    const [l, r] = [weightOf(left), weightOf(right)];
    if (right !== undefined && DELTA * l < r) return this.#rotatedLeft(key, left, right);
    if (left !== undefined && DELTA * r < l) return this.#rotatedRight(key, left, right);
    return this.#make(key, left, right);
  }

  #rotatedLeft(key: number, left: Node | undefined, right: Node): Node {
    const middle = right.left;
    if (middle === undefined || weightOf(middle) < RATIO * weightOf(right.right)) {
      return this.#make(right.key, this.#make(key, left, middle), right.right);
    }
    const low = this.#make(key, left, middle.left);
    return this.#make(middle.key, low, this.#make(right.key, middle.right, right.right));
  }

  #rotatedRight(key: number, left: Node, right: Node | undefined): Node {
    const middle = left.right;
    if (middle === undefined || weightOf(middle) < RATIO * weightOf(left.left)) {
      return this.#make(left.key, left.left, this.#make(key, middle, right));
    }
    const high = this.#make(key, middle.right, right);
    return this.#make(middle.key, this.#make(left.key, left.left, middle.left), high);
  }
}

function weightOf(node: Node | undefined): number {
  return node === undefined ? 1 : node.weight;
}

function levelsOf(node: Node | undefined): number {
  return node === undefined ? 0 : 1 + Math.max(levelsOf(node.left), levelsOf(node.right));
}

function leftmost(node: Node): number {
  return node.left === undefined ? node.key : leftmost(node.left);
}
