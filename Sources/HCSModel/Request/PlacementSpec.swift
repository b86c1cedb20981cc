/// What a workload asks of the pool beside its runtime and its device memory. Left out, everything is as for one share
/// of one device.
package struct PlacementSpec: Hashable, Sendable {
    /// Devices of one member, all on one node.
    package var devices: Int
    /// Of each device; nil = only memory is asked for.
    package var compute: ComputeAmount?
    /// Each device is given whole: all its memory, to nobody else.
    package var wholeDevices: Bool
    /// Thousandths of a core, for the member.
    package var cpuMilli: Int
    /// Host memory, for the member.
    package var memory: ByteCount
    package var require: [PlacementTerm]
    package var prefer: [PlacementTerm]
    package var avoid: [PlacementTerm]
    package var interconnect: Interconnect
    package var strategy: PlacementStrategy
    /// What the work is like, for the exchange rate; nil = training.
    package var workloadClass: WorkloadClass?
    /// Higher goes first and may preempt lower.
    package var priority: Int
    package var gang: Gang?
    /// nil = any pool that the tenant may use.
    package var pool: String?
    package var tenant: String

    package static let defaultTenant = "default"
    package static let deviceLimit = 16
    package static let termLimit = 32

    package init(
        devices: Int = 1, compute: ComputeAmount? = nil, wholeDevices: Bool = false, cpuMilli: Int = 0,
        memory: ByteCount = .zero, require: [PlacementTerm] = [], prefer: [PlacementTerm] = [],
        avoid: [PlacementTerm] = [], interconnect: Interconnect = .any, strategy: PlacementStrategy = .pack,
        workloadClass: WorkloadClass? = nil, priority: Int = 0, gang: Gang? = nil, pool: String? = nil,
        tenant: String = PlacementSpec.defaultTenant
    ) {
        self.devices = devices
        self.compute = compute
        self.wholeDevices = wholeDevices
        self.cpuMilli = cpuMilli
        self.memory = memory
        self.require = require
        self.prefer = prefer
        self.avoid = avoid
        self.interconnect = interconnect
        self.strategy = strategy
        self.workloadClass = workloadClass
        self.priority = priority
        self.gang = gang
        self.pool = pool
        self.tenant = tenant
    }

    /// Throws the first thing that is wrong, in words for the submitter.
    package func validate() throws(ModelError) {
        func bad(_ message: String) -> ModelError { ModelError(.badRequest, message) }
        guard (1...Self.deviceLimit).contains(devices) else { throw bad("devices must be 1 to \(Self.deviceLimit)") }
        switch compute {
        case nil: break
        case .share(let thousandths):
            guard (1...1000).contains(thousandths) else { throw bad("a share of a device is 1 to 1000 thousandths") }
            guard !wholeDevices || thousandths == 1000 else {
                throw bad("wholeDevices and a share of a device contradict each other")
            }
        case .teraflops(let amount, _):
            guard amount.isFinite, amount > 0, amount <= 1e6 else {
                throw bad("compute must be more than 0 and at most 1000000 TFLOPS")
            }
        }
        guard (0...4_096_000).contains(cpuMilli) else { throw bad("cpuMilli must be 0 to 4096000") }
        guard memory.bytes <= 1 << 50 else {
            throw bad("memory \(memory) is more than 1024Ti: not a host of this world")
        }
        guard require.count + prefer.count + avoid.count <= Self.termLimit else {
            throw bad("require, prefer and avoid have more than \(Self.termLimit) terms together")
        }
        try checkTerms()
        guard (-1000...1000).contains(priority) else { throw bad("priority must be -1000 to 1000") }
        if let gang { try gang.validate() }
        if let gang, gang.size > 1, interconnect == .sameNode, strategy == .spread {
            throw bad("a gang with interconnect same-node is on one node: strategy spread contradicts that")
        }
        for (name, text) in [("tenant", tenant), ("pool", pool ?? "any")] where !Self.isName(text) {
            throw bad("\(name) '\(text.prefix(80))' must be 1 to 63 of a-z 0-9 - . and start with a letter or digit")
        }
        if interconnect != .any, interconnect != .sameNode, devices == 1 {
            throw bad("interconnect \(interconnect.rawValue) needs two devices or more")
        }
    }

    private func checkTerms() throws(ModelError) {
        func bad(_ message: String) -> ModelError { ModelError(.badRequest, message) }
        for term in require {
            guard let avoided = avoid.first(where: { term.implies($0) }) else { continue }
            throw bad(
                avoided == term
                    ? "'\(term)' is required and to be avoided: remove one of them"
                    : "'\(term)' is required, and all of that is to be avoided by '\(avoided)': remove one of them")
        }
        for (i, term) in require.enumerated() {
            if let other = require[..<i].first(where: { $0.contradicts(term) }) {
                throw bad("'\(other)' and '\(term)' are both required and cannot both hold")
            }
        }
        if let both = prefer.first(where: { term in avoid.contains { $0.implies(term) && term.implies($0) } }) {
            throw bad("'\(both)' is preferred and to be avoided: remove one of them")
        }
    }

    /// 1 to 63 of a-z 0-9 - and dot, the first a letter or digit.
    package static func isName(_ text: String) -> Bool {
        guard (1...63).contains(text.utf8.count), let first = text.utf8.first, first.isLowerAlphanumeric else {
            return false
        }
        return text.utf8.allSatisfy { $0.isLowerAlphanumeric || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }
}

extension PlacementSpec: Codable {
    package enum CodingKeys: String, CodingKey, CaseIterable {
        case devices, compute, wholeDevices, cpuMilli, memory, require, prefer, avoid, interconnect, strategy
        case workloadClass, priority, gang, pool, tenant
    }

    /// Strict: an unknown field is an error.
    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        devices = try c.decodeIfPresent(Int.self, forKey: .devices) ?? 1
        compute = try c.decodeIfPresent(ComputeAmount.self, forKey: .compute)
        wholeDevices = try c.decodeIfPresent(Bool.self, forKey: .wholeDevices) ?? false
        cpuMilli = try c.decodeIfPresent(Int.self, forKey: .cpuMilli) ?? 0
        memory = try c.decodeIfPresent(ByteCount.self, forKey: .memory) ?? .zero
        require = try c.decodeIfPresent([PlacementTerm].self, forKey: .require) ?? []
        prefer = try c.decodeIfPresent([PlacementTerm].self, forKey: .prefer) ?? []
        avoid = try c.decodeIfPresent([PlacementTerm].self, forKey: .avoid) ?? []
        interconnect = try c.decodeIfPresent(Interconnect.self, forKey: .interconnect) ?? .any
        strategy = try c.decodeIfPresent(PlacementStrategy.self, forKey: .strategy) ?? .pack
        workloadClass = try c.decodeIfPresent(WorkloadClass.self, forKey: .workloadClass)
        priority = try c.decodeIfPresent(Int.self, forKey: .priority) ?? 0
        gang = try c.decodeIfPresent(Gang.self, forKey: .gang)
        pool = try c.decodeIfPresent(String.self, forKey: .pool)
        tenant = try c.decodeIfPresent(String.self, forKey: .tenant) ?? Self.defaultTenant
    }
}

/// Compute of one device.
package enum ComputeAmount: Hashable, Sendable {
    /// Thousandths of whichever device it gets.
    case share(Int)
    /// Dense, as the data sheets count; on a faster card a smaller share of it.
    case teraflops(Double, Precision)
}

extension ComputeAmount: Codable {
    package enum CodingKeys: String, CodingKey, CaseIterable { case share, teraflops, precision }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        if let share = try c.decodeIfPresent(Int.self, forKey: .share) {
            guard !c.contains(.teraflops), !c.contains(.precision) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .share, in: c, debugDescription: "give a share or teraflops, not both")
            }
            self = .share(share)
        } else {
            self = .teraflops(
                try c.decode(Double.self, forKey: .teraflops), try c.decode(Precision.self, forKey: .precision))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var c = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .share(let thousandths): try c.encode(thousandths, forKey: .share)
        case .teraflops(let amount, let precision):
            try c.encode(amount, forKey: .teraflops)
            try c.encode(precision, forKey: .precision)
        }
    }
}

/// How the devices of one member must be joined.
package enum Interconnect: String, CaseIterable, Codable, Hashable, Sendable {
    case any
    /// As the devices of one member always are; all members of a gang on one node.
    case sameNode = "same-node"
    /// Every pair by the maker's own link: NVLink, HCCS, xGMI, MLU-Link.
    case link = "nvlink"
    case sameNUMA = "same-numa"
}

package enum PlacementStrategy: String, CaseIterable, Codable, Hashable, Sendable {
    /// Where the least is broken up.
    case pack
    /// Away from the others of its gang, or of its tenant: on as many nodes as there are.
    case spread
}

/// What limits the work: decode follows memory bandwidth, training and prefill follow the matrix units.
package enum WorkloadClass: String, CaseIterable, Codable, Hashable, Sendable, CodingKeyRepresentable {
    case training, prefill, decode, embedding
}

/// Several workloads that start together or not at all.
package struct Gang: Hashable, Sendable, Codable {
    package var name: String
    /// Members, 1 to 1024; each is submitted as a workload of its own with the same name and size.
    package var size: Int
    /// How long an incomplete gang may wait before it is refused.
    package var timeoutSeconds: Int

    package static let sizeLimit = 1024
    package static let defaultTimeoutSeconds = 600

    package init(name: String, size: Int, timeoutSeconds: Int = Gang.defaultTimeoutSeconds) {
        self.name = name
        self.size = size
        self.timeoutSeconds = timeoutSeconds
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case name, size, timeoutSeconds }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        name = try c.decode(String.self, forKey: .name)
        size = try c.decode(Int.self, forKey: .size)
        timeoutSeconds = try c.decodeIfPresent(Int.self, forKey: .timeoutSeconds) ?? Self.defaultTimeoutSeconds
    }

    func validate() throws(ModelError) {
        guard PlacementSpec.isName(name) else {
            throw ModelError(
                .badRequest,
                "gang '\(name.prefix(80))' must be 1 to 63 of a-z 0-9 - . and start with a letter or digit")
        }
        guard (1...Self.sizeLimit).contains(size) else {
            throw ModelError(.badRequest, "gang size must be 1 to \(Self.sizeLimit)")
        }
        guard (1...86_400).contains(timeoutSeconds) else {
            throw ModelError(.badRequest, "gang timeoutSeconds must be 1 to 86400")
        }
    }
}
