import Foundation
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
