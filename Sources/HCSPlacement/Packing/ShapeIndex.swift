/// For each shape in use the rank of every node, and the best of each 16, of each 256 and so on, so that a change of one
/// node costs a shape a few comparisons and the best node is read off the top.
struct ShapeIndex {
    let nodeCount: Int
    /// Start of each level within a shape's part; the last level is one block of at most 16.
    private let levels: [(start: Int, count: Int)]
    private let stride: Int
    private var keys: [Int64] = []

    private static let fanOut = 16

    init(nodeCount: Int) {
        self.nodeCount = nodeCount
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
    }

    var byteCount: Int { keys.count * MemoryLayout<Int64>.size }

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

    /// The highest rank; `RankKey.refused` = the shape fits nowhere.
    func best(shape: Int) -> Int64 {
        let top = levels[levels.count - 1]
        return bestOfBlock(shape * stride + top.start, 0)
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
