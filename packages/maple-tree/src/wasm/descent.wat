;; Readers of a tree in shared WebAssembly memory: what walk.ts does with Atomics, in one call.
;;
;; Words that change after publication (the root word, slots, parent words) are loaded atomically, everything else of
;; a node plainly; the argument is at the top of walk.ts. Here an atomic load costs what a plain one does, in
;; JavaScript it is a call of 7 ns. Addresses are in bytes; handles, words and offsets as in layout.ts, times four.
;;
;; `pnpm --filter @faultline/maple-tree wasm` assembles this into descent.generated.ts.
(module
  (import "maple" "memory" (memory 0 65536 shared))

  ;; Address of the pivot of $index in the node at $node, which $handle names: slotOf() of walk.ts.
  (func $pivotOf (param $handle i32) (param $node i32) (param $index f64) (result i32)
    (local $at i32)
    ;; Four pivots are 32 bytes: the last of the first three groups.
    (local.set $at (i32.add
      (i32.add
        (f64.lt (f64.load offset=152 (local.get $node)) (local.get $index))
        (f64.lt (f64.load offset=184 (local.get $node)) (local.get $index)))
      (f64.lt (f64.load offset=216 (local.get $node)) (local.get $index))))
    (if (i32.ne (i32.and (local.get $handle) (i32.const 31)) (i32.const 3))
      (then
        (local.set $at (i32.add (local.get $at)
          (i32.add
            (i32.add
              (f64.lt (f64.load offset=248 (local.get $node)) (local.get $index))
              (f64.lt (f64.load offset=280 (local.get $node)) (local.get $index)))
            (f64.lt (f64.load offset=312 (local.get $node)) (local.get $index)))))))
    (local.set $at (i32.add (local.get $node) (i32.shl (local.get $at) (i32.const 5))))
    (i32.add (local.get $at)
      (i32.shl
        (i32.add
          (i32.add
            (f64.lt (f64.load offset=128 (local.get $at)) (local.get $index))
            (f64.lt (f64.load offset=136 (local.get $at)) (local.get $index)))
          (f64.lt (f64.load offset=144 (local.get $at)) (local.get $index)))
        (i32.const 3))))

  ;; The slot that belongs to a pivot, by their addresses.
  (func $slotAt (param $node i32) (param $pivot i32) (result i32)
    (i32.atomic.load offset=16 (i32.add (local.get $node)
      (i32.shr_u (i32.sub (local.get $pivot) (local.get $node)) (i32.const 1)))))

  (func $isDead (param $node i32) (result i32)
    (i32.eq (i32.atomic.load (local.get $node)) (i32.shr_u (local.get $node) (i32.const 2))))

  ;; A word that changes.
  (func (export "load") (param $word i32) (result i32)
    (i32.atomic.load (local.get $word)))

  ;; The entry stored at $index, 0 if none, of the tree whose root word is at $root: lookupConcurrent() of walk.ts.
  (func (export "lookup") (param $root i32) (param $index f64) (result i32)
    (local $handle i32) (local $node i32) (local $next i32)
    (loop $restart
      (local.set $handle (i32.atomic.load (local.get $root)))
      (if (i32.le_s (local.get $handle) (i32.const 0))
        (then (return (select
          (i32.sub (i32.const 0) (local.get $handle))
          (i32.const 0)
          (f64.eq (local.get $index) (f64.const 0))))))
      (loop $level
        (local.set $node (i32.shl (i32.and (local.get $handle) (i32.const -32)) (i32.const 2)))
        (local.set $next (call $slotAt (local.get $node)
          (call $pivotOf (local.get $handle) (local.get $node) (local.get $index))))
        (br_if $restart (call $isDead (local.get $node)))
        (if (i32.eq (i32.and (local.get $handle) (i32.const 31)) (i32.const 1))
          (then (return (local.get $next))))
        (local.set $handle (local.get $next))
        (br $level)))
    (unreachable))

  ;; Lists what is stored from the slot of $index on, leaf by leaf below one parent, until there are $most ranges or the
  ;; leaf that $to lies in is done. Returns their number, or -1 if the tree has no node. $maxIndex: the largest there is,
  ;; where the root ends. $out, which has room for 27 more than $most: last index of the last leaf listed, then 155 first
  ;; indices, 155 last indices (f64) and 155 entries (i32).
  ;;
  ;; Each leaf has been found alive after all of its slots had been loaded, and its parent after the slot that names the
  ;; leaf: so at one moment that leaf was part of the tree and held what is listed. A leaf that has died is not listed.
  (func (export "rangesFrom") (param $root i32) (param $index f64) (param $out i32) (param $maxIndex f64)
    (param $most i32) (param $to f64) (result i32)
    (local $handle i32) (local $node i32) (local $pivot i32) (local $min f64) (local $max f64)
    (local $entry i32) (local $at i32) (local $done i32) (local $last f64)
    (local $parent i32) (local $parentPivot i32) (local $parentMax f64)
    (loop $restart
      (local.set $handle (i32.atomic.load (local.get $root)))
      (if (i32.le_s (local.get $handle) (i32.const 0)) (then (return (i32.const -1))))
      (local.set $min (f64.const 0))
      (local.set $max (local.get $maxIndex))
      (local.set $parentMax (local.get $maxIndex))
      (block $leaf
        (loop $level
          (local.set $node (i32.shl (i32.and (local.get $handle) (i32.const -32)) (i32.const 2)))
          (local.set $pivot (call $pivotOf (local.get $handle) (local.get $node) (local.get $index)))
          (br_if $leaf (i32.eq (i32.and (local.get $handle) (i32.const 31)) (i32.const 1)))
          (local.set $parent (local.get $node))
          (local.set $parentPivot (local.get $pivot))
          (local.set $parentMax (local.get $max))
          (if (i32.ne (local.get $pivot) (local.get $node))
            (then (local.set $min (f64.add (f64.load offset=120 (local.get $pivot)) (f64.const 1)))))
          (local.set $max (f64.load offset=128 (local.get $pivot)))
          (local.set $entry (call $slotAt (local.get $node) (local.get $pivot)))
          (br_if $restart (call $isDead (local.get $node)))
          (local.set $handle (local.get $entry))
          (br $level)))
      (if (i32.ne (local.get $pivot) (local.get $node))
        (then (local.set $min (f64.add (f64.load offset=120 (local.get $pivot)) (f64.const 1)))))
      (local.set $at (local.get $out))
      (loop $nextLeaf
        ;; What has been listed before this leaf stays if it turns out to be dead.
        (local.set $done (i32.shr_u (i32.sub (local.get $at) (local.get $out)) (i32.const 3)))
        (block $listed
          (loop $slot
            (local.set $last (f64.load offset=128 (local.get $pivot)))
            (local.set $entry (call $slotAt (local.get $node) (local.get $pivot)))
            (f64.store offset=8 (local.get $at) (local.get $min))
            (f64.store offset=1248 (local.get $at) (local.get $last))
            (i32.store offset=2488 (i32.sub (local.get $at)
              (i32.shr_u (i32.sub (local.get $at) (local.get $out)) (i32.const 1))) (local.get $entry))
            (local.set $at (i32.add (local.get $at)
              (i32.shl (i32.ne (local.get $entry) (i32.const 0)) (i32.const 3))))
            (local.set $min (f64.add (local.get $last) (f64.const 1)))
            (br_if $listed (f64.ge (local.get $last) (local.get $max)))
            (local.set $pivot (i32.add (local.get $pivot) (i32.const 8)))
            (br $slot)))
        (if (call $isDead (local.get $node))
          (then
            (br_if $restart (i32.eqz (local.get $done)))
            (return (local.get $done))))
        (f64.store (local.get $out) (local.get $max))
        (local.set $done (i32.shr_u (i32.sub (local.get $at) (local.get $out)) (i32.const 3)))
        (if (i32.or
              (i32.ge_s (local.get $done) (local.get $most))
              (i32.or
                (f64.ge (local.get $max) (local.get $to))
                (f64.ge (local.get $max) (local.get $parentMax))))
          (then (return (local.get $done))))
        (local.set $parentPivot (i32.add (local.get $parentPivot) (i32.const 8)))
        (local.set $max (f64.load offset=128 (local.get $parentPivot)))
        (local.set $entry (call $slotAt (local.get $parent) (local.get $parentPivot)))
        (if (call $isDead (local.get $parent)) (then (return (local.get $done))))
        (local.set $node (i32.shl (i32.and (local.get $entry) (i32.const -32)) (i32.const 2)))
        (local.set $pivot (local.get $node))
        (br $nextLeaf)))
    (unreachable)))
