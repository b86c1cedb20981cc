import Foundation
import GRDB
import HCSModel
import HCSStore
import Testing

/// What every store promises.
@Suite struct StateStoreContractTests {
    enum Kind: String, CaseIterable { case memory, sqlite }

    private func withStore(_ kind: Kind, _ body: (any StateStore) async throws -> Void) async throws {
        switch kind {
        case .memory: try await body(MemoryStore())
        case .sqlite:
            try await withDirectory { directory in try await body(try SQLiteStore(path: directory + "/s.db")) }
        }
    }

    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "hcs-store-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    private func record(_ number: Int) throws -> WorkloadRecord {
        let id = try #require(WorkloadID("00000000-0000-4000-8000-" + String(format: "%012d", number)))
        let spec = WorkloadSpec(name: "w\(number)", command: ["x"], runtime: .hip, vram: .gibibytes(3))
        return WorkloadRecord(id: id, spec: spec, createdMilliseconds: 5)
    }

    private var node: NodeRecord {
        NodeRecord(
            name: "n1", agentVersion: "0.1.0", bootID: "b",
            host: HostFacts(
                hostname: "h", kernel: "k", architecture: "x86_64", cpuModel: "c", cpuCount: 2, memory: .gibibytes(4),
                numaNodes: [],
                acceleratorFunctions: []),
            devices: [])
    }

    @Test(arguments: Kind.allCases)
    func `a new store is empty at revision zero`(kind: Kind) async throws {
        try await withStore(kind) { store in
            let state = try await store.load()
            #expect(state == StoredState(revision: .zero, nodes: [], workloads: []))
        }
    }

    @Test(arguments: Kind.allCases)
    func `what was committed is read back, replaced and removed`(kind: Kind) async throws {
        try await withStore(kind) { store in
            let first = try record(1)
            var second = try record(2)
            var revision = try await store.commit(
                StateChange(nodes: [node], workloads: [first, second]), expecting: .zero)
            #expect(revision == Revision(1))
            second.phase = .running
            revision = try await store.commit(
                StateChange(workloads: [second], removedWorkloads: [first.id]), expecting: revision)
            let state = try await store.load()
            #expect(state == StoredState(revision: Revision(2), nodes: [node], workloads: [second]))
        }
    }

    @Test(arguments: Kind.allCases)
    func `a change made for an older revision is refused whole`(kind: Kind) async throws {
        try await withStore(kind) { store in
            _ = try await store.commit(StateChange(nodes: [node]), expecting: .zero)
            let late = try record(1)
            await #expect { try await store.commit(StateChange(workloads: [late]), expecting: .zero) } throws: {
                ($0 as? StoreError)?.code == .staleRevision
            }
            let state = try await store.load()
            #expect(state.workloads.isEmpty)
        }
    }

    private func cordon(_ device: String?, reason: String = "r") -> Cordon {
        Cordon(
            target: .init(node: "n1", device: device.map { DeviceID($0) }), reason: reason, by: "ada",
            atMilliseconds: 5, drains: true, drainedMilliseconds: 9)
    }

    private func event(_ sequence: UInt64) -> FleetEvent {
        FleetEvent(
            sequence: sequence, atMilliseconds: 7, kind: .deviceHealth, severity: .critical, node: "n1",
            device: DeviceID("a"), message: "m", simulated: true,
            health: .init(
                oldScore: nil, oldBand: .unknown, newScore: 0, newBand: .failed,
                reasons: [
                    HealthReason(factor: "xid", penalty: 1, detail: "Xid 79", source: "k", sinceMilliseconds: 3)
                ]), by: "ada")
    }

    @Test(arguments: Kind.allCases)
    func `cordons, clearances and removed nodes are kept as they were committed`(kind: Kind) async throws {
        try await withStore(kind) { store in
            let clearance = Clearance(
                id: try record(1).id, node: "n1", device: DeviceID("a"), reason: "r", by: "ada", atMilliseconds: 4)
            var revision = try await store.commit(
                StateChange(
                    nodes: [node], cordons: [cordon(nil), cordon("b c"), cordon("d")], clearances: [clearance]),
                expecting: .zero)
            let first = try await store.load()
            #expect(first.cordons == [cordon(nil), cordon("b c"), cordon("d")])
            #expect(first.clearances == [clearance])
            revision = try await store.commit(
                StateChange(
                    removedNodes: ["n1"], cordons: [cordon("d", reason: "another")],
                    removedCordons: [cordon(nil).target], removedClearances: [clearance.id]), expecting: revision)
            let state = try await store.load()
            #expect(
                state
                    == StoredState(
                        revision: revision, nodes: [], workloads: [],
                        cordons: [cordon("b c"), cordon("d", reason: "another")]))
        }
    }

    @Test(arguments: Kind.allCases)
    func `events are kept in order, and the oldest go first`(kind: Kind) async throws {
        try await withStore(kind) { store in
            let many = (1...UInt64(FleetEvent.kept)).map { event($0) }
            var revision = try await store.commit(StateChange(events: many), expecting: .zero)
            let isWhole = try await store.load().events == many
            #expect(isWhole)
            revision = try await store.commit(
                StateChange(events: [event(1_000_000), event(1_000_001)]), expecting: revision)
            let numbers = try await store.load().events.map(\.sequence)
            #expect(numbers.count == FleetEvent.kept)
            #expect(numbers.first == 3 && numbers.suffix(2) == [1_000_000, 1_000_001])
        }
    }

    private func throughput(_ workload: String, _ values: Double...) -> ThroughputRecord {
        ThroughputRecord(
            key: .init(card: "c \"'", workloadClass: .decode, precision: .bf16, workload: workload, unit: "tokens/s"),
            values: values, count: 12, updatedMilliseconds: 99)
    }

    @Test(arguments: Kind.allCases)
    func `reported throughput is kept, replaced and removed`(kind: Kind) async throws {
        try await withStore(kind) { store in
            let (a, b) = (throughput("a", 1, 2.5), throughput("b; DROP TABLE throughput", 3))
            var revision = try await store.commit(StateChange(throughput: [b, a]), expecting: .zero)
            let both = try await store.load().throughput
            #expect(both == [a, b])
            let newer = throughput("a", 2.5, 4)
            revision = try await store.commit(
                StateChange(throughput: [newer], removedThroughput: [b.key]), expecting: revision)
            let state = try await store.load()
            #expect(state.throughput == [newer] && state.revision == revision)
        }
    }

    /// As the second version wrote it.
    @Test func `a file of the second schema is taken over with what is in it`() async throws {
        try await withDirectory { directory in
            let path = directory + "/s.db"
            let old = cordon("d")
            do {
                let queue = try DatabaseQueue(path: path)
                let data = try JSONEncoder().encode(old)
                try await queue.write { db in
                    try db.execute(
                        sql: """
                            CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
                            CREATE TABLE node (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            CREATE TABLE workload (id TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            CREATE TABLE cordon (target TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            CREATE TABLE clearance (id TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            CREATE TABLE event (sequence INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            INSERT INTO meta VALUES ('revision', 7);
                            PRAGMA user_version = 2;
                            """)
                    try db.execute(sql: "INSERT INTO cordon VALUES (?, ?)", arguments: ["n1 d", data])
                }
            }
            let store = try SQLiteStore(path: path)
            #expect(
                try await store.load()
                    == StoredState(revision: Revision(7), nodes: [], workloads: [], cordons: [old]))
            _ = try await store.commit(StateChange(throughput: [throughput("a", 1)]), expecting: Revision(7))
            let again = try await SQLiteStore(path: path).load()
            #expect(again.throughput == [throughput("a", 1)] && again.cordons == [old])
        }
    }

    /// As the first version wrote it.
    @Test func `a file of the first schema is taken over with what is in it`() async throws {
        try await withDirectory { directory in
            let path = directory + "/s.db"
            let old = try record(3)
            do {
                let queue = try DatabaseQueue(path: path)
                let data = try JSONEncoder().encode(old)
                try await queue.write { db in
                    try db.execute(
                        sql: """
                            CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
                            CREATE TABLE node (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            CREATE TABLE workload (id TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            INSERT INTO meta VALUES ('revision', 41);
                            PRAGMA user_version = 1;
                            """)
                    try db.execute(sql: "INSERT INTO workload VALUES (?, ?)", arguments: [old.id.text, data])
                }
            }
            let store = try SQLiteStore(path: path)
            #expect(try await store.load() == StoredState(revision: Revision(41), nodes: [], workloads: [old]))
            _ = try await store.commit(StateChange(cordons: [cordon("d")]), expecting: Revision(41))
            let again = try await SQLiteStore(path: path).load()
            #expect(again.cordons == [cordon("d")] && again.workloads == [old])
        }
    }

    @Test func `an event of a newer version does not keep the scheduler from starting`() async throws {
        try await withDirectory { directory in
            let path = directory + "/s.db"
            do {
                _ = try await SQLiteStore(path: path).commit(
                    StateChange(events: [event(1), event(2)]), expecting: .zero)
            }
            do {
                let queue = try DatabaseQueue(path: path)
                try await queue.write { db in
                    try db.execute(
                        sql: "UPDATE event SET record = ? WHERE sequence = 1",
                        arguments: [Data(#"{"kind":"of-tomorrow"}"#.utf8)])
                }
            }
            #expect(try await SQLiteStore(path: path).load().events == [event(2)])
        }
    }

    @Test func `the file is read again by the next process`() async throws {
        try await withDirectory { directory in
            let path = directory + "/s.db"
            let change = StateChange(nodes: [node], workloads: [try record(7)])
            do { _ = try await SQLiteStore(path: path).commit(change, expecting: .zero) }
            let state = try await SQLiteStore(path: path).load()
            #expect(state.workloads == change.workloads)
        }
    }

    @Test func `a damaged file and a newer one are refused with what to do`() async throws {
        try await withDirectory { directory in
            let damaged = directory + "/damaged.db"
            try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: damaged))
            #expect { try SQLiteStore(path: damaged) } throws: { ($0 as? StoreError)?.code == .corrupt }
        }
    }
}
