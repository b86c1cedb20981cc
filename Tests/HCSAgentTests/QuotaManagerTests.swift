import Glibc
import HCSAgent
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@Suite struct QuotaManagerTests {
    private let owner = (uid: UInt32(geteuid()), gid: UInt32(getegid()))
    private let limits = [
        SegmentDevice(
            vendor: .nvidia, id: DeviceID("GPU-a"), hostIndex: 0, physical: .gibibytes(80), limit: .gibibytes(8))
    ]
    // Offsets of hcs_segment.h: device entry 0 at 512 with `limit` at 128; slot 0 at 4608.
    private let limitOffset: off_t = 512 + 128
    private let slotOffset: off_t = 4608

    /// Writes as a workload could: through its own descriptor of the file.
    private func poke(_ path: String, _ offset: off_t, _ value: some FixedWidthInteger) {
        let file = open(path, O_RDWR)
        withUnsafeBytes(of: value) { _ = pwrite(file, $0.baseAddress, $0.count, offset) }
        close(file)
    }

    private func with(_ body: (QuotaManager, String) throws -> Void) throws {
        let directory = try TemporaryDirectory(below: "/dev/shm")
        chmod(directory.path, 0o711)
        try body(QuotaManager(directory: directory.path), directory.path)
    }

    @Test func `a segment is made for its owner alone and goes when nobody holds it`() throws {
        try with { quotas, _ in
            let id = AgentFixtures.id(1)
            try quotas.create(id, limits: limits, owner: owner)
            var status = stat()
            #expect(stat(quotas.path(of: id), &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o600)
            #expect(
                quotas.observe(id).usage == [
                    DeviceUsage(device: DeviceID("GPU-a"), used: .zero, peak: .zero, quota: .gibibytes(8), denied: 0)
                ])
            #expect(quotas.remove(id))
            #expect(access(quotas.path(of: id), F_OK) != 0)
        }
    }

    @Test func `a limit that somebody else changed is put back and told`() throws {
        try with { quotas, _ in
            let id = AgentFixtures.id(1)
            try quotas.create(id, limits: limits, owner: owner)
            poke(quotas.path(of: id), limitOffset, UInt64.max)
            let reading = quotas.observe(id)
            #expect(reading.problems.count == 1)
            #expect(reading.problems.first?.contains("put back to 8Gi") == true)
            #expect(reading.usage.first?.quota == .gibibytes(8), "the agent's own copy is what is reported")
            #expect(quotas.observe(id).problems.isEmpty)
        }
    }

    @Test func `a live process keeps its segment, a dead one's slot is taken back`() throws {
        try with { quotas, _ in
            let id = AgentFixtures.id(1)
            try quotas.create(id, limits: limits, owner: owner)
            let own = try Procfs().stat(of: getpid())
            poke(quotas.path(of: id), slotOffset + 4, UInt32(getpid()))
            poke(quotas.path(of: id), slotOffset + 8, own.startTime)
            poke(quotas.path(of: id), slotOffset + 16, Procfs().pidNamespace())
            poke(quotas.path(of: id), slotOffset, UInt32(1))
            #expect(quotas.observe(id).processes == [getpid(): own.startTime])
            #expect(!quotas.remove(id))
            #expect(throws: AgentError.self) { try quotas.create(id, limits: limits, owner: owner) }
            poke(quotas.path(of: id), slotOffset + 8, own.startTime + 1)
            #expect(quotas.observe(id).count == 0)
            #expect(quotas.remove(id))
        }
    }

    @Test func `context memory is shown apart and not charged`() throws {
        try with { quotas, _ in
            let id = AgentFixtures.id(1)
            try quotas.create(id, limits: limits, owner: owner)
            let own = try Procfs().stat(of: getpid())
            poke(quotas.path(of: id), slotOffset + 4, UInt32(getpid()))
            poke(quotas.path(of: id), slotOffset + 8, own.startTime)
            poke(quotas.path(of: id), slotOffset + 16, Procfs().pidNamespace())
            poke(quotas.path(of: id), slotOffset + 176, UInt64(300 << 20))
            poke(quotas.path(of: id), slotOffset, UInt32(1))
            let usage = quotas.observe(id).usage.first
            #expect(usage?.overhead == .mebibytes(300))
            #expect(usage?.used == .zero)
        }
    }

    @Test func `a segment that its owner cut is a problem told, not a crash`() throws {
        try with { quotas, _ in
            let id = AgentFixtures.id(1)
            try quotas.create(id, limits: limits, owner: owner)
            _ = quotas.observe(id)
            #expect(truncate(quotas.path(of: id), 100) == 0)
            let reading = quotas.observe(id)
            #expect(reading.problems.count == 1)
            #expect(reading.usage.first?.quota == .gibibytes(8))
            #expect(quotas.remove(id))
        }
    }

    @Test func `segments of nobody are swept, those of known workloads are not`() throws {
        try with { quotas, directory in
            for number in 1...2 { try quotas.create(AgentFixtures.id(number), limits: limits, owner: owner) }
            let next = QuotaManager(directory: directory)
            #expect(next.sweep(keeping: [AgentFixtures.id(1)]) == 1)
            #expect(SegmentFile.workloads(in: directory) == [AgentFixtures.id(1)])
            try next.adopt(AgentFixtures.id(1), limits: limits, owner: owner.uid)
            #expect(next.observe(AgentFixtures.id(1)).usage.count == 1)
        }
    }

    @Test func `a segment of another owner is not taken up`() throws {
        try with { quotas, directory in
            try quotas.create(AgentFixtures.id(1), limits: limits, owner: owner)
            #expect(throws: AgentError.self) {
                try QuotaManager(directory: directory).adopt(AgentFixtures.id(1), limits: limits, owner: owner.uid + 1)
            }
        }
    }
}
