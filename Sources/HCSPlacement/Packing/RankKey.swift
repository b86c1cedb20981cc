/// One number that orders the nodes for a shape: higher score, then least left free, then lower index.
enum RankKey {
    static let refused: Int64 = -1
    static let tieLimit: Int64 = 1 << 24 - 1
    static let nodeLimit = 1 << 20
    static let scores: ClosedRange<Int64> = -(1 << 15)...(1 << 15 - 1)

    static func make(score: Int64, tie: Int64, node: Int) -> Int64 {
        (score &- scores.lowerBound) &<< 44 | (tieLimit &- tie) &<< 20 | Int64(nodeLimit - 1 - node)
    }

    static func node(of key: Int64) -> Int { nodeLimit - 1 - Int(key & Int64(nodeLimit - 1)) }
}
