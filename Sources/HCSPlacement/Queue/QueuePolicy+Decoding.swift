import HCSModel

/// As a file says it: what is left out keeps its default. Strict: an unknown field is an error.
extension QueuePolicy: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case version, preemption, reservation, defragmentation, pools, tenants
    }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        _ = try c.integer(.version, 1...1, default: 1)
        preemption = try c.decodeIfPresent(Bool.self, forKey: .preemption) ?? preemption
        reservation = try c.decodeIfPresent(Reservation.self, forKey: .reservation) ?? reservation
        defragmentation = try c.decodeIfPresent(Defragmentation.self, forKey: .defragmentation) ?? defragmentation
        pools = try c.list(.pools, of: Pool.self, atMost: Self.poolLimit)
        tenants = try c.list(.tenants, of: Tenant.self, atMost: Self.tenantLimit)
        try checkNames(c)
    }

    private func checkNames(_ c: KeyedDecodingContainer<CodingKeys>) throws {
        func bad(_ key: CodingKeys, _ path: [any CodingKey], _ why: String) -> DecodingError {
            .dataCorrupted(.init(codingPath: c.codingPath + [key] + path, debugDescription: why))
        }
        for (i, pool) in pools.enumerated() where pools[..<i].contains(where: { $0.name == pool.name }) {
            throw bad(.pools, [ItemKey(i)], "a second pool '\(pool.name)'")
        }
        let known = Set(pools.map(\.name))
        for (i, tenant) in tenants.enumerated() {
            if tenants[..<i].contains(where: { $0.name == tenant.name }) {
                throw bad(.tenants, [ItemKey(i)], "a second tenant '\(tenant.name)'")
            }
            for (n, name) in (tenant.pools ?? []).enumerated() where !known.contains(name) {
                throw bad(
                    .tenants, [ItemKey(i), Tenant.CodingKeys.pools, ItemKey(n)],
                    "no pool '\(name)': define it under 'pools'")
            }
            for name in tenant.poolQuotas.keys.sorted() where !known.contains(name) {
                throw bad(
                    .tenants, [ItemKey(i), Tenant.CodingKeys.inPools],
                    "no pool '\(name.prefix(64))': define it under 'pools'")
            }
        }
    }

    private struct ItemKey: CodingKey {
        let intValue: Int?
        var stringValue: String { "\(intValue ?? 0)" }
        init(_ index: Int) { intValue = index }
        init?(intValue: Int) { self.init(intValue) }
        init?(stringValue: String) { nil }
    }
}

extension QueuePolicy.Reservation: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case afterSeconds, atOnce, holdSeconds }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        afterSeconds = Int64(try c.integer(.afterSeconds, 0...604_800, default: Int(afterSeconds)))
        atOnce = try c.integer(.atOnce, 0...16, default: atOnce)
        holdSeconds = Int64(try c.integer(.holdSeconds, 60...2_592_000, default: Int(holdSeconds)))
    }
}

extension QueuePolicy.Defragmentation: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case run, moves }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        run = try c.decodeIfPresent(Bool.self, forKey: .run) ?? run
        moves = try c.integer(.moves, 1...3, default: moves)
    }
}

extension QueuePolicy.Pool: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case name, nodes, models }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        func patterns(_ key: CodingKeys) throws -> [String] {
            guard c.contains(key) else { return [] }
            let patterns = try c.list(key, of: String.self, atMost: 256)
            guard !patterns.isEmpty else {
                throw c.bad(key, "an empty list matches nothing: leave it out to match everything")
            }
            guard patterns.allSatisfy(Self.isPattern) else {
                throw c.bad(key, "a pattern is 1 to 128 printable characters, * stands for any text")
            }
            return patterns
        }
        self.init(name: try c.name(.name), nodes: try patterns(.nodes), models: try patterns(.models))
    }

    /// Without what would need an escape where it is printed.
    private static func isPattern(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x20..<0x7F).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
    }
}

extension QueuePolicy.Quota: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case guarantee, limit }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            guarantee: try c.decodeIfPresent(AmountBound.self, forKey: .guarantee) ?? AmountBound(),
            limit: try c.decodeIfPresent(AmountBound.self, forKey: .limit) ?? AmountBound())
        guard isConsistent else { throw c.bad(.guarantee, Self.inconsistency) }
    }

    fileprivate static let inconsistency = "more is guaranteed than the limit allows"

    fileprivate var isConsistent: Bool {
        func within<Value: Comparable>(_ part: KeyPath<AmountBound, Value?>) -> Bool {
            guard let guarantee = guarantee[keyPath: part], let limit = limit[keyPath: part] else { return true }
            return guarantee <= limit
        }
        return within(\.devices) && within(\.vram) && within(\.computeMilli) && within(\.cpuMilli) && within(\.memory)
    }
}

extension QueuePolicy.Tenant: Decodable {
    fileprivate enum CodingKeys: String, CodingKey, CaseIterable {
        case name, weight, pools, guarantee, limit, inPools
    }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        self.init(name: try c.name(.name))
        weight = try c.number(.weight, 0.001...1_000_000) ?? weight
        if c.contains(.pools) { pools = try c.list(.pools, of: String.self, atMost: QueuePolicy.poolLimit) }
        quota.guarantee = try c.decodeIfPresent(AmountBound.self, forKey: .guarantee) ?? AmountBound()
        quota.limit = try c.decodeIfPresent(AmountBound.self, forKey: .limit) ?? AmountBound()
        guard quota.isConsistent else { throw c.bad(.guarantee, QueuePolicy.Quota.inconsistency) }
        poolQuotas = try c.decodeIfPresent([String: QueuePolicy.Quota].self, forKey: .inPools) ?? [:]
    }
}

extension AmountBound: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case devices, vram, compute, cpu, memory }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        func milli(_ key: CodingKeys) throws -> Int? {
            try c.number(key, 0...1_000_000_000).map { Int(($0 * 1000).rounded()) }
        }
        self.init(
            devices: c.contains(.devices) ? try c.integer(.devices, 0...10_000_000, default: 0) : nil,
            vram: try c.decodeIfPresent(ByteCount.self, forKey: .vram), computeMilli: try milli(.compute),
            cpuMilli: try milli(.cpu), memory: try c.decodeIfPresent(ByteCount.self, forKey: .memory))
    }
}

extension KeyedDecodingContainer {
    fileprivate func bad(_ key: Key, _ why: String) -> DecodingError {
        .dataCorruptedError(forKey: key, in: self, debugDescription: why)
    }

    fileprivate func integer(_ key: Key, _ range: ClosedRange<Int>, default standard: Int) throws -> Int {
        let value = try decodeIfPresent(Int.self, forKey: key) ?? standard
        guard range.contains(value) else {
            throw bad(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    fileprivate func number(_ key: Key, _ range: ClosedRange<Double>) throws -> Double? {
        guard let value = try decodeIfPresent(Double.self, forKey: key) else { return nil }
        guard range.contains(value) else {
            throw bad(key, "must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    fileprivate func name(_ key: Key) throws -> String {
        let text = try decode(String.self, forKey: key)
        guard PlacementSpec.isName(text) else {
            throw bad(key, "must be 1 to 63 of a-z 0-9 - . and start with a letter or digit")
        }
        return text
    }

    fileprivate func list<Item: Decodable>(_ key: Key, of: Item.Type, atMost limit: Int) throws -> [Item] {
        let items = try decodeIfPresent([Item].self, forKey: key) ?? []
        guard items.count <= limit else { throw bad(key, "has more than \(limit) entries") }
        return items
    }
}
