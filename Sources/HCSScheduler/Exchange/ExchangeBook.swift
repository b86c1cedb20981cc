package import HCSAPI
package import HCSCatalog
package import HCSModel
package import HCSPlacement

/// What the scheduler knows of exchange rates: the catalogue's cards, the operator's word, and what was reported.
package struct ExchangeBook: Sendable {
    private let cards: [ExchangeCard]
    private let overrides: [ExchangeOverride]
    package private(set) var records: [ThroughputRecord.Key: ThroughputRecord] = [:]
    /// Made anew when a record changes.
    package private(set) var table: ExchangeTable
    /// Changes with the table.
    private(set) var tableSerial = 0
    /// Since the last `takeChanges`.
    private(set) var changed: Set<ThroughputRecord.Key> = []

    package init(catalog: Catalog = .builtIn, overrides: [ExchangeOverride] = []) {
        cards = catalog.cards
        self.overrides = overrides
        table = ExchangeTable(cards: cards, overrides: overrides)
    }

    /// What the store remembers.
    mutating func load(_ stored: [ThroughputRecord]) {
        records = Dictionary(stored.map { ($0.key, $0) }, uniquingKeysWith: { $1 })
        makeTable()
    }

    private mutating func makeTable() {
        table = ExchangeTable(cards: cards, observations: Array(records.values), overrides: overrides)
        tableSerial += 1
    }

    /// Takes a report in; beyond `APILimits.throughputRecords` the one that was not reported for longest goes.
    /// - Returns: what is known now of the cards it names.
    mutating func add(_ report: ThroughputReport, now: Int64) throws(APIProblem) -> [ThroughputRecord] {
        do { try report.validate() } catch { throw .badRequest(error.message) }
        var found = [try record(report, card: report.card)]
        found[0].add(report.throughput, at: now)
        if let baseline = report.baseline {
            var other = try record(report, card: baseline.card)
            guard other.key != found[0].key else {
                throw .badRequest("'\(report.card)' and '\(baseline.card)' are the same card: nothing to compare")
            }
            other.add(baseline.throughput, at: now)
            found.append(other)
        }
        for record in found { set(record, at: record.key) }
        while records.count > APILimits.throughputRecords,
            let oldest = records.values.min(by: {
                ($0.updatedMilliseconds, $0.key) < ($1.updatedMilliseconds, $1.key)
            })
        { set(nil, at: oldest.key) }
        makeTable()
        return found
    }

    /// Takes records out; a second time there is nothing left to take.
    /// - Returns: what was taken out.
    mutating func forget(_ request: ForgetThroughputRequest) throws(APIProblem) -> [ThroughputRecord] {
        do { try request.validate() } catch { throw .badRequest(error.message) }
        // A card may have left the catalogue since.
        let name = records.keys.contains { $0.card == request.card } ? request.card : try cardName(request.card)
        let gone = records.values.filter {
            $0.key.card == name && $0.key.workloadClass == request.workloadClass
                && (request.precision == nil || request.precision == $0.key.precision)
                && (request.workload == nil || request.workload == $0.key.workload)
        }.sorted { $0.key < $1.key }
        guard !gone.isEmpty else { return [] }
        for record in gone { set(nil, at: record.key) }
        makeTable()
        return gone
    }

    private func cardName(_ text: String) throws(APIProblem) -> String {
        do { return try table.card(named: text).name } catch { throw .notFound(error.message) }
    }

    private func record(_ report: ThroughputReport, card: String) throws(APIProblem) -> ThroughputRecord {
        let key = ThroughputRecord.Key(
            card: try cardName(card), workloadClass: report.workloadClass, precision: report.precision,
            workload: report.workload, unit: report.unit)
        return records[key] ?? ThroughputRecord(key: key)
    }

    private mutating func set(_ record: ThroughputRecord?, at key: ThroughputRecord.Key) {
        records[key] = record
        changed.insert(key)
    }

    /// The store has them.
    mutating func forgetChanges() { changed = [] }

    // MARK: Views

    func view(
        of devices: [Device], class workloadClass: WorkloadClass, _ precision: Precision
    ) -> ExchangeView {
        var items: [String: ExchangeView.Card] = [:]
        for device in devices {
            let card = table.card(of: device)
            let name = device.details.partition == nil ? card?.name ?? device.model : device.modelName
            let key = "\(device.vendor.rawValue) \(name)"
            if var known = items[key] {
                known.devices += 1
                known.simulated = known.simulated || device.simulated
                items[key] = known
                continue
            }
            var item = ExchangeView.Card(
                name: name, vendor: device.vendor, devices: 1, simulated: device.simulated, teraflops: nil,
                unknown: nil, confidence: device.fingerprint.confidence, source: device.fingerprint.source,
                workloadsSeen: card.map { table.workloadsSeen(on: $0.name, class: workloadClass) } ?? 0)
            switch table.teraflops(of: device, class: workloadClass, precision) {
            case .success(let teraflops): item.teraflops = teraflops
            case .failure(let unknown): item.unknown = unknown.message
            }
            items[key] = item
        }
        return ExchangeView(
            workloadClass: workloadClass, precision: precision, unit: precision.unitCard.name,
            items: items.values.sorted { ($0.teraflops ?? 0, $1.name) > ($1.teraflops ?? 0, $0.name) },
            problems: table.problems)
    }
}

extension ClusterState {
    package mutating func report(_ report: ThroughputReport, now: Int64) throws(APIProblem) -> [ThroughputRecord] {
        let records = try exchange.add(report, now: now)
        for (record, value) in zip(records, [report.throughput, report.baseline?.throughput ?? 0]) {
            emit(
                FleetEvent(
                    atMilliseconds: now, kind: .throughputReported, severity: .info,
                    message: "\(record.key): \(value) \(record.key.unit)", by: report.by))
        }
        return records
    }

    package mutating func forget(_ request: ForgetThroughputRequest, now: Int64) throws(APIProblem)
        -> [ThroughputRecord]
    {
        let gone = try exchange.forget(request)
        guard let first = gone.first else { return [] }
        let names = Set(gone.map(\.key.workload)).sorted()
        emit(
            FleetEvent(
                atMilliseconds: now, kind: .throughputForgotten, severity: .info,
                message:
                    "what \(names.prefix(3).joined(separator: ", "))\(names.count > 3 ? " and \(names.count - 3) more" : "") "
                    + "did on \(first.key.card) (\(request.workloadClass.rawValue)) counts no more", by: request.by))
        return gone
    }

    package func exchangeView(class workloadClass: WorkloadClass, precision: Precision) -> ExchangeView {
        exchange.view(of: nodes.values.flatMap(\.record.devices), class: workloadClass, precision)
    }

    package var throughputRecords: [ThroughputRecord] { exchange.records.values.sorted { $0.key < $1.key } }
}
