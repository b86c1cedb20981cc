/// The best that a node offers a request.
struct Candidate {
    /// Devices of a cell, a bit for each.
    struct Part {
        var cell: Int
        var devices: UInt16
    }

    /// Higher goes before all else.
    var wish: Int
    /// Workloads of the request's group on the node.
    var others = 0
    /// Thousandths of a device.
    var worth: Int
    /// What packing says of it, in steps of `CycleRanking.quantum`; the rest of `worth` is the scores'.
    var packing: Int
    /// Less goes first.
    var tie: Int64
    var part: Part
    /// Where one cell has not enough.
    var furtherParts: [Part] = []

    /// One number that orders nodes as `RankKey` does for the packing core, and names the node where that does; wishes
    /// and spread go first.
    func key(node: Int) -> Int64 {
        let wish = Int64(min(max(self.wish + 16, 0), 31))
        let spread = Int64(31 - min(max(others, 0), 31))
        let quantum = CycleRanking.quantum
        let steps = worth >= 0 ? worth / quantum : -((quantum - 1 - worth) / quantum)
        let worth = Int64(min(max(steps + 2048, 0), 4095))
        let tie = (1 << 21 - 1) - min(max(tie, 0), 1 << 21 - 1)
        return wish << 58 | spread << 53 | worth << 41 | tie << 20 | Int64(RankKey.nodeLimit - 1 - node)
    }

    /// Takes devices of another cell of the node in.
    mutating func add(_ further: Candidate) {
        wish = min(wish, further.wish)
        worth += further.worth
        packing += further.packing
        tie += further.tie
        furtherParts.append(further.part)
    }

    func isBetter(than other: Candidate) -> Bool {
        guard wish == other.wish else { return wish > other.wish }
        guard worth == other.worth else { return worth > other.worth }
        return tie < other.tie
    }
}
