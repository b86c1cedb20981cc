import Glibc
import HCSAPI
import HCSAgent
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@Suite(.enabled(if: AgentFixtures.hasShim, "skipped, because hcs-shim and the preload library are not built"))
struct ResizeTests {
    private func sleeping(_ quota: UInt64, attempt: Int = 1) -> Assignment {
        AgentFixtures.assignment(1, attempt: attempt, ["/bin/sleep", "600"], quota: .gibibytes(quota))
    }

    private func quota(_ host: SupervisedHost, _ supervisor: WorkloadSupervisor) async -> ByteCount? {
        await host.observation(1, supervisor)?.usage.first?.quota
    }

    @Test func `a running attempt takes its new quota and goes on, over a restart of the agent too`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = host.supervisor()
            await supervisor.update(devices: [AgentFixtures.report(AgentFixtures.device())])
            await host.apply([sleeping(8)], to: supervisor)
            _ = try #require(await host.reaches(.running, 1, supervisor))
            let child = try #require(host.child(1))
            for size in [12, 80, 1] as [UInt64] {
                await host.apply([sleeping(size)], to: supervisor)
                #expect(await quota(host, supervisor) == .gibibytes(size))
            }
            #expect(host.child(1)?.pid == child.pid)
            let next = host.supervisor()
            await next.rediscover()
            #expect(await quota(host, next) == .gibibytes(1))
            #expect(Procfs().isAlive(pid: child.pid, startTime: child.startTime))
            let told = await next.inspect(samples: [:])
            #expect(told.current.isEmpty, "the agent's own change is no escape")
        }
    }

    @Test func `a raise that does not fit waits, and comes when there is room`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = host.supervisor()
            await supervisor.update(devices: [AgentFixtures.report(AgentFixtures.device())])
            let other = AgentFixtures.assignment(2, ["/bin/sleep", "600"], quota: .gibibytes(40))
            await host.apply([sleeping(8), other], to: supervisor)
            _ = try #require(await host.reaches(.running, 1, supervisor))
            _ = try #require(await host.reaches(.running, 2, supervisor))
            await host.apply([sleeping(41), other], to: supervisor)
            #expect(await quota(host, supervisor) == .gibibytes(8))
            await host.apply(
                [sleeping(41), AgentFixtures.assignment(2, ["/bin/sleep", "600"], desired: .stop)], to: supervisor)
            _ = try #require(await host.reaches(.ended, 2, supervisor))
            #expect(await quota(host, supervisor) == .gibibytes(41))
        }
    }

    @Test func `quotas left half changed by an agent that ended are nobody's escape`() throws {
        let directory = try TemporaryDirectory(below: "/dev/shm")
        chmod(directory.path, 0o711)
        func limit(_ size: UInt64) -> [SegmentDevice] {
            [
                SegmentDevice(
                    vendor: .nvidia, id: DeviceID("GPU-a"), hostIndex: 0, physical: .gibibytes(80),
                    limit: .gibibytes(size))
            ]
        }
        let id = AgentFixtures.id(1)
        let owner = (uid: UInt32(geteuid()), gid: UInt32(getegid()))
        try QuotaManager(directory: directory.path).create(id, limits: limit(8), owner: owner)
        let next = QuotaManager(directory: directory.path)
        try next.adopt(id, limits: limit(12), owner: owner.uid, earlier: limit(8))
        #expect(next.observe(id).problems.isEmpty)
        #expect(next.takeLimitChanges().isEmpty)
        // The control: what neither figure explains is somebody else's.
        let third = QuotaManager(directory: directory.path)
        try third.adopt(id, limits: limit(6), owner: owner.uid, earlier: limit(8))
        #expect(third.observe(id).problems.count == 1)
        #expect(third.takeLimitChanges().map(\.found) == [.gibibytes(12)])
        #expect(third.takeLimitChanges().isEmpty)
    }
}
