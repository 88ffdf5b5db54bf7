/*
 * RcuList: a list that readers walk while an updater changes it.
 *
 *   head + 0     FIRST    first element, 0 if the list is empty
 *   head + 1     LAST     last element
 *   el + link    NEXT     next element, 0 at the end
 *   el + link + 1  PREV   element before, 0 for the first; POISON once removed
 *
 * Readers use FIRST and NEXT only. Promises to a reader in a read section:
 *   a. It sees each element initialised: NEXT and PREV are written before the Atomics.store that links it.
 *   b. An element that is in the list during the whole walk is visited exactly once; one that is added or
 *      removed meanwhile, once or not at all.
 *   c. Standing on a removed element it finds its way back: NEXT of a removed element stays as it was. So an
 *      element must not be added again, nor its words reused, before a grace period has elapsed.
 *   d. With replace() it sees the old element or the new one, never both, never neither.
 * LAST and PREV are plain: only updaters touch them, under their lock.
 *
 * Source: Linux include/linux/rculist.h.
 */
import { SyncError } from "../errors.ts";
import { checkWords } from "../words.ts";

const FIRST = 0;
const LAST = 1;
/** PREV of an element that is in no list. */
const POISON = -1;

/**
 * A doubly linked list of elements named by their first word; two words of each are the links.
 *
 * Zeroed words are an empty list. Locking: updaters hold a lock of their own, readers a read section; nothing
 * here checks that. Cost: one Atomics operation per step or update.
 */
export class RcuList {
  /** Words of the head, and of the links in an element. */
  static readonly WORDS: number = 2;

  readonly #words: Int32Array;
  readonly #head: number;
  readonly #link: number;

  /**
   * @param words - view on the buffer that holds head and elements
   * @param head - first word of the head
   * @param link - where in an element its two link words are, relative to the element, `>= 0`
   * @throws RangeError if the head lies outside the view, or `link` is not an integer `>= 0`
   */
  constructor(words: Int32Array, head: number, link: number) {
    checkWords("RcuList", words, head, RcuList.WORDS);
    if (!Number.isInteger(link) || link < 0) {
      throw new RangeError(`RcuList: link must be an integer >= 0, got ${link}`);
    }
    this.#words = words;
    this.#head = head;
    this.#link = link;
  }

  /** First element, 0 if the list is empty. Readers. */
  first(): number {
    return Atomics.load(this.#words, this.#head + FIRST);
  }

  /** The element after, 0 at the end. Readers, also on an element that was removed in this read section. */
  next(element: number): number {
    return Atomics.load(this.#words, element + this.#link);
  }

  /** Visits the elements in order until `visit` returns `false`. Readers. */
  walk(visit: (element: number) => boolean | undefined): void {
    for (let at = this.first(); at !== 0; at = this.next(at)) if (visit(at) === false) return;
  }

  /** Adds at the front. Updater. @throws RangeError if the links would lie outside the view */
  addFirst(element: number): void {
    this.#insert(element, 0, this.first());
  }

  /** Adds at the end. Updater. */
  addLast(element: number): void {
    this.#insert(element, this.#words[this.#head + LAST], 0);
  }

  /** Adds after `position`, an element of the list. Updater. */
  addAfter(element: number, position: number): void {
    this.#assertLinked("addAfter", position);
    this.#insert(element, position, this.next(position));
  }

  /**
   * Removes an element; readers may stand on it until a grace period has elapsed. Updater.
   *
   * @throws SyncError `EINVAL` if it has been removed already
   */
  remove(element: number): void {
    this.#assertLinked("remove", element);
    const before = this.#words[element + this.#link + 1];
    const after = this.next(element);
    Atomics.store(this.#words, this.#nextWord(before), after);
    this.#words[this.#prevWord(after)] = before;
    this.#words[element + this.#link + 1] = POISON;
  }

  /** Puts `fresh` in the place of `old` in one step. Updater. */
  replace(old: number, fresh: number): void {
    this.#assertLinked("replace", old);
    this.#checkElement(fresh);
    const before = this.#words[old + this.#link + 1];
    const after = this.next(old);
    this.#words[fresh + this.#link] = after; // plain: the store below publishes it
    this.#words[fresh + this.#link + 1] = before;
    Atomics.store(this.#words, this.#nextWord(before), fresh);
    this.#words[this.#prevWord(after)] = fresh;
    this.#words[old + this.#link + 1] = POISON;
  }

  /** Throws an `Error` naming the element whose links disagree. Updater. @returns number of elements */
  validate(): number {
    let count = 0;
    let before = 0;
    for (let at = this.first(); at !== 0; at = this.next(at)) {
      const prev = this.#words[at + this.#link + 1];
      if (prev !== before) throw new Error(`RcuList: PREV of ${at} is ${prev}, expected ${before}`);
      if (++count > this.#words.length) throw new Error("RcuList: the list has a cycle");
      before = at;
    }
    const last = this.#words[this.#head + LAST];
    if (last !== before) throw new Error(`RcuList: LAST is ${last}, the last element is ${before}`);
    return count;
  }

  #insert(element: number, before: number, after: number): void {
    this.#checkElement(element);
    this.#words[element + this.#link] = after; // plain: the store below publishes it
    this.#words[element + this.#link + 1] = before;
    Atomics.store(this.#words, this.#nextWord(before), element);
    this.#words[this.#prevWord(after)] = element;
  }

  #checkElement(element: number): void {
    if (element === 0) throw new RangeError("RcuList: element must not be 0, which is the end of a list");
    checkWords("RcuList: links of element", this.#words, element + this.#link, RcuList.WORDS);
  }

  #assertLinked(what: string, element: number): void {
    this.#checkElement(element);
    if (this.#words[element + this.#link + 1] !== POISON) return;
    throw new SyncError("EINVAL", `RcuList.${what}: element ${element} has been removed`);
  }

  /** The word that names what comes after `element`, or the first element if that is 0. */
  #nextWord(element: number): number {
    return element === 0 ? this.#head + FIRST : element + this.#link;
  }

  /** The word that names what comes before `element`, or the last element if that is 0. */
  #prevWord(element: number): number {
    return element === 0 ? this.#head + LAST : element + this.#link + 1;
  }
}
