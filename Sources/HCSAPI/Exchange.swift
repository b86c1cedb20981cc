package import HCSModel

/// `POST /v1/throughput`: what a workload did on one device of a card, and, where given, on one of another. Strict.
package struct ThroughputReport: Hashable, Sendable, Codable {
    package struct Baseline: Hashable, Sendable, Codable {
        package var card: String
        package var throughput: Double

        package init(card: String, throughput: Double) {
            self.card = card
            self.throughput = throughput
        }

        package enum CodingKeys: String, CodingKey, CaseIterable { case card, throughput }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            card = try c.decode(String.self, forKey: .card)
            throughput = try c.decode(Double.self, forKey: .throughput)
        }
    }

    /// A name or alias of the catalogue.
    package var card: String
    package var workloadClass: WorkloadClass
    package var precision: Precision
    /// Only throughput of the same workload, unit, class and precision is compared.
    package var workload: String
    /// Of `throughput`, for one device; more is better.
    package var unit: String
    package var throughput: Double
    /// The same on another card.
    package var baseline: Baseline?
    /// As the caller names itself.
    package var by: String

    package init(
        card: String, workloadClass: WorkloadClass, precision: Precision, workload: String, unit: String,
        throughput: Double, baseline: Baseline? = nil, by: String
    ) {
        self.card = card
        self.workloadClass = workloadClass
        self.precision = precision
        self.workload = workload
        self.unit = unit
        self.throughput = throughput
        self.baseline = baseline
        self.by = by
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case card, workloadClass, precision, workload, unit, throughput, baseline, by
    }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        card = try c.decode(String.self, forKey: .card)
        workloadClass = try c.decode(WorkloadClass.self, forKey: .workloadClass)
        precision = try c.decode(Precision.self, forKey: .precision)
        workload = try c.decode(String.self, forKey: .workload)
        unit = try c.decode(String.self, forKey: .unit)
        throughput = try c.decode(Double.self, forKey: .throughput)
        baseline = try c.decodeIfPresent(Baseline.self, forKey: .baseline)
        by = try c.decode(String.self, forKey: .by)
    }

    package func validate() throws(ModelError) {
        try FleetText.check("card", card, atMost: APILimits.exchangeName)
        try FleetText.check("workload", workload, atMost: APILimits.exchangeName)
        try FleetText.check("unit", unit, atMost: 32)
        try FleetText.check("by", by, atMost: APILimits.caller)
        try Self.check(throughput)
        guard let baseline else { return }
        try FleetText.check("baseline card", baseline.card, atMost: APILimits.exchangeName)
        try Self.check(baseline.throughput)
    }

    private static func check(_ throughput: Double) throws(ModelError) {
        guard ThroughputRecord.valueRange.contains(throughput) else {
            throw ModelError(.badRequest, "throughput must be a number from 1e-9 to 1e15")
        }
    }
}

/// `POST /v1/throughput/forget`: what was reported of a card for a class of work counts no more. Strict.
package struct ForgetThroughputRequest: Hashable, Sendable, Codable {
    /// A name or alias of the catalogue, or the name in a record.
    package var card: String
    package var workloadClass: WorkloadClass
    /// nil = of every precision.
    package var precision: Precision?
    /// nil = of every workload.
    package var workload: String?
    /// As the caller names itself.
    package var by: String

    package init(
        card: String, workloadClass: WorkloadClass, precision: Precision? = nil, workload: String? = nil, by: String
    ) {
        self.card = card
        self.workloadClass = workloadClass
        self.precision = precision
        self.workload = workload
        self.by = by
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case card, workloadClass, precision, workload, by }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        card = try c.decode(String.self, forKey: .card)
        workloadClass = try c.decode(WorkloadClass.self, forKey: .workloadClass)
        precision = try c.decodeIfPresent(Precision.self, forKey: .precision)
        workload = try c.decodeIfPresent(String.self, forKey: .workload)
        by = try c.decode(String.self, forKey: .by)
    }

    package func validate() throws(ModelError) {
        try FleetText.check("card", card, atMost: APILimits.exchangeName)
        if let workload { try FleetText.check("workload", workload, atMost: APILimits.exchangeName) }
        try FleetText.check("by", by, atMost: APILimits.caller)
    }
}

/// `GET /v1/exchange?class=C&precision=P`: the pool's cards for one class of work.
package struct ExchangeView: Hashable, Sendable, Codable {
    package struct Card: Hashable, Sendable, Codable {
        /// Of the catalogue, else as the vendor's library calls it; a part of a card with its profile.
        package var name: String
        package var vendor: Vendor
        package var devices: Int
        /// At least one of them.
        package var simulated: Bool
        /// Of one device, counted as `unit` does the class; nil where `unknown` says why.
        package var teraflops: Double?
        package var unknown: String?
        /// Of the catalogue's figures.
        package var confidence: Fingerprint.Confidence
        package var source: String
        /// Workloads that compared it with another card.
        package var workloadsSeen: Int

        package init(
            name: String, vendor: Vendor, devices: Int, simulated: Bool, teraflops: Double?, unknown: String?,
            confidence: Fingerprint.Confidence, source: String, workloadsSeen: Int
        ) {
            self.name = name
            self.vendor = vendor
            self.devices = devices
            self.simulated = simulated
            self.teraflops = teraflops
            self.unknown = unknown
            self.confidence = confidence
            self.source = source
            self.workloadsSeen = workloadsSeen
        }
    }

    package var workloadClass: WorkloadClass
    package var precision: Precision
    /// The card whose data-sheet TFLOPS are the unit.
    package var unit: String
    package var items: [Card]
    /// What was reported or stated and counts for nothing.
    package var problems: [String]

    package init(
        workloadClass: WorkloadClass, precision: Precision, unit: String, items: [Card], problems: [String]
    ) {
        self.workloadClass = workloadClass
        self.precision = precision
        self.unit = unit
        self.items = items
        self.problems = problems
    }
}
