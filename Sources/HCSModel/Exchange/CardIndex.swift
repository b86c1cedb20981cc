/// Finds cards by the names that vendors' libraries report and those that people use. Cards are numbered in the order in
/// which they were added.
package struct CardIndex: Sendable {
    private var exact: [Key: [Int]] = [:]
    private var normalised: [Key: [Int]] = [:]
    private var sizes: [ByteCount?] = []

    private struct Key: Hashable, Sendable {
        var vendor: Vendor
        var name: String
    }

    package init() {}

    /// - Returns: the card's number.
    /// - Throws: `badName` where it could not be told apart from one that is there: a name in common, and the same memory
    ///   size or none.
    @discardableResult
    package mutating func add(vendor: Vendor, aliases: [String], memory: ByteCount?) throws(ModelError) -> Int {
        let names = Set(aliases.map { Self.normalise($0) })
        for name in names.sorted() {
            let others = normalised[Key(vendor: vendor, name: name), default: []]
            guard others.allSatisfy({ sizes[$0] != memory && sizes[$0] != nil && memory != nil }) else {
                throw ModelError(.badName, "'\(name)' is there already with this memory size")
            }
        }
        for name in names { normalised[Key(vendor: vendor, name: name), default: []].append(sizes.count) }
        for name in Set(aliases.map { $0.lowercased() }) {
            exact[Key(vendor: vendor, name: name), default: []].append(sizes.count)
        }
        sizes.append(memory)
        return sizes.count - 1
    }

    /// Cards of that name: the exact alias first, then without the maker's name and punctuation.
    package func candidates(_ vendor: Vendor, _ name: String) -> [Int] {
        exact[Key(vendor: vendor, name: name.lowercased())]
            ?? normalised[Key(vendor: vendor, name: Self.normalise(name))] ?? []
    }

    /// The card of that name; where several sizes share it, the one nearest to `memory`, which must be within an eighth of
    /// it (drivers keep some back). nil memory: not known, as for a part of a card.
    package func card(_ vendor: Vendor, _ name: String, memory: ByteCount?) -> Int? {
        let found = candidates(vendor, name)
        return found.count > 1 ? nearest(found.filter { fits($0, memory) }, memory) : found.first
    }

    package func fits(_ card: Int, _ memory: ByteCount?) -> Bool {
        guard let memory, let size = sizes[card] else { return memory == nil }
        return max(size, memory).subtracting(min(size, memory)).bytes <= size.bytes / 8
    }

    package func nearest(_ cards: [Int], _ memory: ByteCount?) -> Int? {
        guard let memory else { return cards.count == 1 ? cards.first : nil }
        func distance(_ card: Int) -> UInt64 {
            sizes[card].map { max($0, memory).subtracting(min($0, memory)).bytes } ?? 0
        }
        return cards.min { distance($0) < distance($1) }
    }

    private static let makers = [
        "nvidia", "tesla", "geforce", "huawei", "ascend", "hygon", "cambricon", "amd", "instinct",
    ]

    /// Lower-case letters and digits only, without the maker's and the brand's name in front.
    package static func normalise(_ name: String) -> String {
        var text = name.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }[...]
        while let maker = makers.first(where: { text.hasPrefix($0) && text.count > $0.count }) {
            text = text.dropFirst(maker.count)
        }
        return String(text)
    }

    /// NVML calls a MIG instance `NVIDIA A100-SXM4-80GB MIG 1g.10gb`: the card's own name of it.
    package static func cardName(_ name: String) -> String {
        name.split(separator: " ").prefix { $0 != "MIG" }.joined(separator: " ")
    }

    /// The names, of those given, that are most like `name`: by edits of the normalised forms, at most `count` of them, best
    /// first; none that differs in more than half of its letters.
    package static func mostLike(_ name: String, among names: some Sequence<String>, count: Int = 4) -> [String] {
        let wanted = Array(normalise(String(name.prefix(64))).utf8)
        guard !wanted.isEmpty else { return [] }
        let rated = names.map { candidate in
            let other = Array(normalise(candidate).utf8.prefix(64))
            // A part of a name is more like it than its length says.
            let contained = other.count >= wanted.count && other.starts(with: wanted)
            return (name: candidate, edits: contained ? 0 : edits(wanted, other), length: other.count)
        }
        return rated.filter { $0.edits * 2 <= max(wanted.count, $0.length) }
            .sorted { ($0.edits, $0.length, $0.name) < ($1.edits, $1.length, $1.name) }.prefix(count).map(\.name)
    }

    /// Levenshtein distance.
    private static func edits(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
