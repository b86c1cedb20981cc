/// For each shape in use the rank of every node, and the best of each 16, of each 256 and so on, so that a change of one
/// node costs a shape a few comparisons and the best node is read off the top. Memory is apart from the ranks: the most
/// that a node of a block has free says where to look when the best node has too little.
struct ShapeIndex {
    let nodeCount: Int
    /// Start of each level within a shape's part; the last level is one block of at most 16.
    private let levels: [(start: Int, count: Int)]
    private let stride: Int
    private var keys: [Int64] = []
    /// Free memory by node and its maxima, laid out as one shape's ranks.
    private var memory: [Int32]

    private static let fanOut = 16

    init(memory free: [Int32]) {
        nodeCount = free.count
        var levels: [(start: Int, count: Int)] = []
        var start = 0
        var count = nodeCount
        repeat {
            levels.append((start, count))
            start += (count + Self.fanOut - 1) / Self.fanOut * Self.fanOut
            count = (count + Self.fanOut - 1) / Self.fanOut
        } while levels[levels.count - 1].count > Self.fanOut
        self.levels = levels
        stride = start
        memory = free + repeatElement(-1, count: start - free.count)
        for level in 1..<max(1, levels.count) {
            for block in 0..<levels[level].count {
                memory[levels[level].start + block] = mostMemory(levels[level - 1].start, block)
            }
        }
    }

    var byteCount: Int { keys.count * MemoryLayout<Int64>.size + memory.count * MemoryLayout<Int32>.size }

    mutating func setMemory(node: Int, _ free: Int32) {
        memory[node] = free
        var index = node
        for level in 1..<max(1, levels.count) {
            let most = mostMemory(levels[level - 1].start, index / Self.fanOut)
            index /= Self.fanOut
            guard memory[levels[level].start + index] != most else { return }
            memory[levels[level].start + index] = most
        }
    }

    private func mostMemory(_ start: Int, _ block: Int) -> Int32 {
        var most: Int32 = -1
        let first = start + block * Self.fanOut
        for i in first..<first + Self.fanOut { most = max(most, memory[i]) }
        return most
    }

    mutating func addShape() { keys += repeatElement(RankKey.refused, count: stride) }

    /// Sets all ranks of a shape.
    mutating func fill(shape: Int, _ rank: (Int) -> Int64) {
        let base = shape * stride
        for node in 0..<nodeCount { keys[base + node] = rank(node) }
        for level in 1..<max(1, levels.count) {
            for block in 0..<levels[level].count {
                keys[base + levels[level].start + block] = bestOfBlock(base + levels[level - 1].start, block)
            }
        }
    }

    func key(shape: Int, node: Int) -> Int64 { keys[shape * stride + node] }

    mutating func set(shape: Int, node: Int, _ key: Int64) {
        let base = shape * stride
        let old = keys[base + node]
        guard old != key else { return }
        keys[base + node] = key
        var index = node
        for level in 1..<max(1, levels.count) {
            let parent = base + levels[level].start + index / Self.fanOut
            let best = keys[parent]
            if key > best {
                keys[parent] = key
            } else if best == old {
                keys[parent] = bestOfBlock(base + levels[level - 1].start, index / Self.fanOut)
            } else {
                return
            }
            index /= Self.fanOut
        }
    }

    /// The highest rank of a node with that much memory; `RankKey.refused` = the shape fits nowhere.
    func best(shape: Int, memory wanted: Int32) -> Int64 {
        let top = levels.count - 1
        let best = bestOfBlock(shape * stride + levels[top].start, 0)
        guard best != RankKey.refused, memory[RankKey.node(of: best)] < wanted else { return best }
        var found = RankKey.refused
        search(shape * stride, level: top, block: 0, wanted, &found)
        return found
    }

    /// Best block first; one that has not the rank or not the memory is not entered.
    private func search(_ base: Int, level: Int, block: Int, _ wanted: Int32, _ found: inout Int64) {
        let first = levels[level].start + block * Self.fanOut
        var bound = Int64.max
        while true {
            var next = -1
            var best = found
            keys.withUnsafeBufferPointer { keys in
                memory.withUnsafeBufferPointer { memory in
                    for i in first..<first + Self.fanOut where memory[i] >= wanted {
                        guard keys[base + i] > best, keys[base + i] < bound else { continue }
                        best = keys[base + i]
                        next = i
                    }
                }
            }
            guard next >= 0 else { return }
            guard level > 0 else {
                found = best
                return
            }
            bound = best
            search(base, level: level - 1, block: next - levels[level].start, wanted, &found)
        }
    }

    private func bestOfBlock(_ start: Int, _ block: Int) -> Int64 {
        keys.withUnsafeBufferPointer { keys in
            var best = RankKey.refused
            let first = start + block * Self.fanOut
            for i in first..<first + Self.fanOut { best = max(best, keys[i]) }
            return best
        }
    }
}
