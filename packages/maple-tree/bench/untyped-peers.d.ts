/* What is used of packages that ship no types. */

declare module "bintrees" {
  export interface Cursor<T> {
    data(): T | null;
    next(): T | null;
    prev(): T | null;
  }
  export class RBTree<T> {
    constructor(compare: (a: T, b: T) => number);
    insert(data: T): boolean;
    remove(data: T): boolean;
    lowerBound(data: T): Cursor<T>;
    upperBound(data: T): Cursor<T>;
    each(visitor: (data: T) => void): void;
  }
}

declare module "functional-red-black-tree" {
  export interface Place<K, V> {
    readonly valid: boolean;
    readonly value: V;
    next(): void;
    prev(): void;
  }
  export interface Tree<K, V> {
    insert(key: K, value: V): Tree<K, V>;
    remove(key: K): Tree<K, V>;
    forEach(visitor: (key: K, value: V) => unknown): unknown;
    ge(key: K): Place<K, V>;
    le(key: K): Place<K, V>;
  }
  export default function createTree<K, V>(compare: (a: K, b: K) => number): Tree<K, V>;
}

declare module "rbush" {
  export interface Box {
    minX: number;
    minY: number;
    maxX: number;
    maxY: number;
  }
  export default class RBush<T extends Box> {
    insert(item: T): this;
    load(items: readonly T[]): this;
    remove(item: T): this;
    search(box: Box): T[];
  }
}
