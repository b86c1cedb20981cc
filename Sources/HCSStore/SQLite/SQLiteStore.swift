import Foundation
import GRDB
package import HCSModel

/// One SQLite file beside the scheduler. Write-ahead log with full synchronisation: an acknowledged change survives
/// kill -9 and a power cut. Records are JSON, one row each; columns exist only for what is queried.
package final class SQLiteStore: StateStore {
    /// Schema version in `PRAGMA user_version`.
    private static let schema = 3
    private let queue: DatabaseQueue
    private let path: String

    /// Opens or creates the file (mode 0600 by the caller's directory). Throws `.unsupported` for a newer schema.
    package init(path: String) throws(StoreError) {
        self.path = path
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA trusted_schema = OFF")
        }
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
        } catch {
            throw Self.wrap(error, "cannot open the store \(path)")
        }
        try prepare()
    }

    private func prepare() throws(StoreError) {
        do {
            try queue.write { db in
                let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
                guard version <= Self.schema else {
                    throw StoreError(
                        .unsupported,
                        "the store \(path) has schema \(version), this scheduler knows up to \(Self.schema): run the newer scheduler"
                    )
                }
                if version < 1 {
                    try db.execute(
                        sql: """
                            CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
                            CREATE TABLE node (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            CREATE TABLE workload (id TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            INSERT INTO meta VALUES ('revision', 0);
                            """)
                }
                if version < 2 {
                    try db.execute(
                        sql: """
                            CREATE TABLE cordon (target TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            CREATE TABLE clearance (id TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            CREATE TABLE event (sequence INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
                            """)
                }
                if version < 3 {
                    try db.execute(
                        sql: "CREATE TABLE throughput (key TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT")
                }
                if version != Self.schema { try db.execute(sql: "PRAGMA user_version = \(Self.schema)") }
            }
        } catch {
            throw Self.wrap(error, "cannot prepare the store \(path)")
        }
    }

    package func load() async throws(StoreError) -> StoredState {
        do {
            return try await queue.read { db in
                let decoder = JSONDecoder()
                func records<Record: Decodable>(_ type: Record.Type, _ table: String, _ key: String) throws -> [Record]
                {
                    try Row.fetchAll(db, sql: "SELECT \(key), record FROM \(table) ORDER BY \(key)").map { row in
                        let data: Data = row["record"]
                        do { return try decoder.decode(type, from: data) } catch {
                            let name: String = row[key]
                            throw StoreError(.corrupt, "\(table) '\(name)' in the store cannot be read: \(error)")
                        }
                    }
                }
                return StoredState(
                    revision: try Self.revision(db), nodes: try records(NodeRecord.self, "node", "name"),
                    workloads: try records(WorkloadRecord.self, "workload", "id"),
                    cordons: try records(Cordon.self, "cordon", "target"),
                    clearances: try records(Clearance.self, "clearance", "id"),
                    throughput: try records(ThroughputRecord.self, "throughput", "key").sorted { $0.key < $1.key },
                    // History: one that this version cannot read must not keep it from starting.
                    events: try Data.fetchAll(db, sql: "SELECT record FROM event ORDER BY sequence").compactMap {
                        try? decoder.decode(FleetEvent.self, from: $0)
                    })
            }
        } catch {
            throw Self.wrap(error, "cannot read the store \(path)")
        }
    }

    package func commit(_ change: StateChange, expecting expected: Revision) async throws(StoreError) -> Revision {
        do {
            return try await queue.write { db in
                let present = try Self.revision(db)
                guard present == expected else {
                    throw StoreError(
                        .staleRevision, "the store is at revision \(present), the change was made for \(expected)")
                }
                try Self.write(change, to: db)
                let next = present.next
                try db.execute(
                    sql: "UPDATE meta SET value = ? WHERE key = 'revision'", arguments: [Int64(clamping: next.number)])
                return next
            }
        } catch {
            throw Self.wrap(error, "cannot write the store \(path)")
        }
    }

    package func append(_ events: [FleetEvent]) async throws(StoreError) {
        do { try await queue.write { db in try Self.write(StateChange(events: events), to: db) } } catch {
            throw Self.wrap(error, "cannot write the store \(path)")
        }
    }

    private static func write(_ change: StateChange, to db: Database) throws {
        let encoder = JSONEncoder()
        func put(_ table: String, _ key: some DatabaseValueConvertible, _ record: some Encodable) throws {
            try db.execute(
                sql: "INSERT OR REPLACE INTO \(table) VALUES (?, ?)", arguments: [key, try encoder.encode(record)])
        }
        func remove(_ table: String, _ column: String, _ key: String) throws {
            try db.execute(sql: "DELETE FROM \(table) WHERE \(column) = ?", arguments: [key])
        }
        for node in change.nodes { try put("node", node.name, node) }
        for name in change.removedNodes { try remove("node", "name", name) }
        for workload in change.workloads { try put("workload", workload.id.text, workload) }
        for id in change.removedWorkloads { try remove("workload", "id", id.text) }
        for cordon in change.cordons { try put("cordon", key(of: cordon.target), cordon) }
        for target in change.removedCordons { try remove("cordon", "target", key(of: target)) }
        for clearance in change.clearances { try put("clearance", clearance.id.text, clearance) }
        for id in change.removedClearances { try remove("clearance", "id", id.text) }
        for record in change.throughput { try put("throughput", try key(of: record.key), record) }
        for key in change.removedThroughput { try remove("throughput", "key", try self.key(of: key)) }
        for event in change.events { try put("event", Int64(clamping: event.sequence), event) }
        if !change.events.isEmpty {
            try db.execute(
                sql: """
                    DELETE FROM event WHERE sequence <=
                        (SELECT sequence FROM event ORDER BY sequence DESC LIMIT 1 OFFSET ?)
                    """, arguments: [FleetEvent.kept])
        }
    }

    /// As JSON: its parts may hold any text.
    private static func key(of throughput: ThroughputRecord.Key) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(throughput), as: UTF8.self)
    }

    /// A node's name has no blank.
    private static func key(of target: Cordon.Target) -> String {
        target.device.map { "\(target.node) \($0.uuid)" } ?? target.node
    }

    private static func revision(_ db: Database) throws -> Revision {
        guard let value = try Int64.fetchOne(db, sql: "SELECT value FROM meta WHERE key = 'revision'"), value >= 0
        else {
            throw StoreError(.corrupt, "the store has no revision")
        }
        return Revision(UInt64(value))
    }

    private static func wrap(_ error: any Error, _ attempt: String) -> StoreError {
        if let error = error as? StoreError { return error }
        if let error = error as? DatabaseError,
            error.resultCode == .SQLITE_NOTADB || error.resultCode == .SQLITE_CORRUPT
        {
            return StoreError(
                .corrupt,
                "\(attempt): it is damaged or no SQLite file (\(error)). Restore it from a backup or move it away")
        }
        return StoreError(.failed, "\(attempt): \(error)")
    }
}
