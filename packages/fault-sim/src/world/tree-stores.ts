import type { AddressSpace } from "@faultline/mm";

/**
 * What stores into an address space's tree have done to it since somebody last asked. The nodes are those whose
 * first line was written: it holds the parent word and the first slots, which readers read.
 */
export class TreeStores {
  readonly #root: number;
  /** Changes with every store. */
  version = 0;
  /** Words of nodes built, published, adopted or killed; each once. */
  words: number[] = [];
  #deadNodes = 0;

  /** Watches the tree of `mm`; there can be one watcher. */
  constructor(mm: AddressSpace) {
    const { tree } = mm.tree;
    this.#root = tree.root;
    tree.onStep = (step) => {
      switch (step.what) {
        case "type":
          this.version++;
          break;
        case "publish":
          this.#stored(step.node === 0 ? this.#root : step.node);
          break;
        case "build":
        case "slot":
        case "adopt":
          this.#stored(step.node);
          break;
        case "dead":
          this.#deadNodes++;
          this.#stored(step.node);
          break;
        default:
          break;
      }
    };
  }

  /** The nodes written and the number of nodes killed since the last call. */
  take(): { readonly nodes: readonly number[]; readonly deadNodes: number } {
    const taken = { nodes: this.words, deadNodes: this.#deadNodes };
    this.words = [];
    this.#deadNodes = 0;
    return taken;
  }

  #stored(node: number): void {
    if (!this.words.includes(node)) this.words.push(node);
  }
}
