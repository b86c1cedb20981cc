import Foundation
import Glibc
import HCSAPI
import HCSAgent
import HCSModel
import HCSSystem
import HCSTestSupport
import NativeArtifacts
import Testing

@Suite(.enabled(if: AgentFixtures.hasShim, "skipped, because the preload library is not built")) struct LeaseTests {
    private let peer = LeasePeer(pid: getpid(), uid: geteuid(), gid: getegid())

    private func sleeper() throws -> (child: ChildProcess, startTime: UInt64) {
        let child = try ProcessSpawner(path: "/bin/sleep", arguments: ["600"]).spawn()
        return (child, try Procfs().stat(of: child.pid).startTime)
    }

    private func end(_ child: ChildProcess) {
        try? child.signal(SIGKILL)
        _ = try? child.wait(milliseconds: 5000)
    }

    private func request(
        _ process: (child: ChildProcess, startTime: UInt64), _ bytes: ByteCount = .gibibytes(4), device: String? = nil,
        vendor: Vendor = .nvidia
    ) -> LeaseRequest {
        LeaseRequest(
            vendor: vendor, device: device.map { DeviceID($0) }, bytes: bytes, pid: process.child.pid,
            startTime: process.startTime)
    }

    private func ready(_ host: SupervisedHost, _ reports: [DeviceReport]? = nil) async -> WorkloadSupervisor {
        let supervisor = host.supervisor()
        await supervisor.update(
            devices: reports ?? [
                AgentFixtures.report(AgentFixtures.device("GPU-a")),
                AgentFixtures.report(AgentFixtures.device("GPU-b")),
            ])
        return supervisor
    }

    private func problem(_ body: () async throws -> Void) async -> APIProblem? {
        do { try await body() } catch { return error as? APIProblem }
        return nil
    }

    @Test func `the device with most free memory is leased, with a segment of its own user alone`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let process = try sleeper()
            defer { end(process.child) }
            var given: [Lease] = []
            for bytes in [4, 8, 1, 1, 1] {
                given.append(try await supervisor.lease(request(process, .gibibytes(UInt64(bytes))), peer: peer))
            }
            #expect(given.map(\.grant.device.uuid) == ["GPU-a", "GPU-b", "GPU-a", "GPU-a", "GPU-a"])
            let segment = try #require(given[0].environment.set["HCS_SEGMENT"])
            var status = stat()
            #expect(stat(segment, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o600 && status.st_uid == geteuid())
            #expect(given[0].environment.set["CUDA_VISIBLE_DEVICES"] == "GPU-a")
            #expect(given[0].environment.set["HIP_VISIBLE_DEVICES"] == "")
            #expect(given[0].environment.prepend["LD_PRELOAD"] == NativeArtifacts.interceptor)
            let seen = await supervisor.leaseObservations()
            #expect(seen.count == 5)
            #expect(seen.allSatisfy { $0.origin == .local && $0.pid == process.child.pid })
        }
    }

    @Test func `memory that the driver sees in use is not leased`() async throws {
        try await SupervisedHost.with { host in
            var busy = AgentFixtures.report(AgentFixtures.device("GPU-a"))
            busy.sample = DeviceSample(memoryUsed: .gibibytes(79))
            let supervisor = await ready(host, [busy])
            let process = try sleeper()
            defer { end(process.child) }
            let refused = await problem { _ = try await supervisor.lease(request(process, .gibibytes(2)), peer: peer) }
            #expect(refused?.status == 429)
            #expect(refused?.detail.contains("GPU-a: 1Gi of 80Gi is free") == true)
            #expect(
                try await supervisor.lease(request(process, .gibibytes(1)), peer: peer).grant.device
                    == DeviceID("GPU-a"))
        }
    }

    @Test func `nothing cordoned is leased as long as the scheduler says so, and what is leased stays`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let process = try sleeper()
            defer { end(process.child) }
            func cordon(_ device: String?, drains: Bool = false) -> Cordon {
                Cordon(
                    target: .init(node: "n", device: device.map { DeviceID($0) }), reason: "ticket 7", by: "ada@host",
                    atMilliseconds: 1, drains: drains)
            }
            func tell(_ cordons: [Cordon]?) async {
                await supervisor.apply(
                    NodeAssignments(node: "n", revision: Revision(1), workloads: [], cordons: cordons))
            }
            let first = try await supervisor.lease(request(process, device: "GPU-a"), peer: peer)
            await tell([cordon("GPU-a")])
            #expect(await supervisor.leaseObservations().map(\.id) == [first.id])
            let refused = await problem {
                _ = try await supervisor.lease(request(process, device: "GPU-a"), peer: peer)
            }
            #expect(refused?.status == 409)
            #expect(refused?.detail.contains("GPU-a: it is cordoned by ada@host: ticket 7") == true)
            #expect(try await supervisor.lease(request(process), peer: peer).grant.device.uuid == "GPU-b")
            await tell([cordon(nil, drains: true)])
            let all = await problem { _ = try await supervisor.lease(request(process), peer: peer) }
            #expect(all?.detail.contains("GPU-b: its node is drained by ada@host: ticket 7") == true)
            await tell(nil)
            _ = try await supervisor.lease(request(process, device: "GPU-a"), peer: peer)
        }
    }

    @Test func `what this host cannot lease is refused with the reason`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(
                host,
                [
                    AgentFixtures.report(
                        AgentFixtures.device("GPU-a"), blocked: "a real device: this agent runs a simulation"),
                    AgentFixtures.report(AgentFixtures.device("NPU-bad", vendor: .ascend), score: 0),
                    AgentFixtures.report(AgentFixtures.device("DCU-a", vendor: .hygon, simulated: true)),
                ])
            let process = try sleeper()
            defer { end(process.child) }
            let cases: [(LeaseRequest, Int, String)] = [
                (request(process), 409, "a real device"), (request(process, vendor: .ascend), 409, "health failed"),
                (request(process, vendor: .hygon), 409, "simulated devices cannot be used here"),
                (request(process, vendor: .cambricon), 409, "no device"),
                (request(process, device: "GPU-z"), 409, "GPU-z"),
                (request(process, .gibibytes(81)), 409, "does not fit"), (request(process, .zero), 400, "more than 0"),
                (LeaseRequest(bytes: .gibibytes(1), pid: 7, startTime: 7), 400, "exactly one"),
                (
                    LeaseRequest(vendor: .nvidia, runtime: .cuda, bytes: .gibibytes(1), pid: 7, startTime: 7), 400,
                    "exactly one"
                ),
                (LeaseRequest(vendor: .nvidia, bytes: .gibibytes(1), name: "a/b", pid: 7, startTime: 7), 400, "name"),
                (
                    LeaseRequest(vendor: .nvidia, bytes: .gibibytes(1), pid: process.child.pid, startTime: 7), 403,
                    "none of"
                ),
            ]
            for (asked, status, reason) in cases {
                let refused = await problem { _ = try await supervisor.lease(asked, peer: peer) }
                #expect(refused?.status == status, "\(asked): \(refused?.detail ?? "given")")
                #expect(refused?.detail.contains(reason) == true, "\(refused?.detail ?? "given")")
            }
            #expect(SegmentFile.workloads(in: host.segments).isEmpty)
        }
    }

    @Test(.enabled(if: AgentFixtures.isRoot, "skipped, because only root can ask in the name of another user"))
    func `a user cannot lease for another user's process`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let process = try sleeper()
            defer { end(process.child) }
            let other = LeasePeer(pid: 0, uid: 65534, gid: 65534)
            #expect(await problem { _ = try await supervisor.lease(request(process), peer: other) }?.status == 403)
        }
    }

    @Test(.enabled(if: Procfs().isInitialPIDNamespace, "skipped, because the kernel's pids are others here"))
    func `a process of a lease is known as its job, for a while after its end too, and nobody else's is`() async throws
    {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let process = try sleeper()
            defer { end(process.child) }
            #expect(await supervisor.jobs(of: [process.child.pid]).isEmpty)
            let lease = try await supervisor.lease(request(process), peer: peer)
            #expect(await supervisor.jobs(of: [process.child.pid, getpid(), 0, -1]) == [process.child.pid: lease.id])
            end(process.child)
            #expect(await supervisor.jobs(of: [process.child.pid]) == [process.child.pid: lease.id])
        }
    }

    @Test func `at most 256 leases are held`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let process = try sleeper()
            defer { end(process.child) }
            for _ in 0..<APILimits.localLeases {
                _ = try await supervisor.lease(request(process, .mebibytes(1)), peer: peer)
            }
            #expect(await problem { _ = try await supervisor.lease(request(process), peer: peer) }?.status == 429)
        }
    }

    @Test func `an assignment that does not fit beside a lease is refused, to be planned again`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host, [AgentFixtures.report(AgentFixtures.device())])
            let process = try sleeper()
            defer { end(process.child) }
            _ = try await supervisor.lease(request(process, .gibibytes(50)), peer: peer)
            await host.apply([AgentFixtures.assignment(1, ["/bin/true"], quota: .gibibytes(31))], to: supervisor)
            let seen = try #require(await host.observation(1, supervisor))
            #expect(seen.refused == true)
            #expect(seen.exit?.error?.contains("50Gi of 80Gi") == true)
        }
    }

    @Test func `a lease outlives the agent and ends with its process`() async throws {
        try await SupervisedHost.with { host in
            let process = try sleeper()
            defer { end(process.child) }
            let lease: Lease
            do {
                let first = await ready(host)
                lease = try await first.lease(request(process), peer: peer)
            }
            let second = await ready(host)
            await second.rediscover()
            await second.tick()
            #expect(await second.leaseObservations().map(\.id) == [lease.id])
            #expect(await second.leaseObservations().first?.usage.map(\.quota) == [.gibibytes(4)])
            end(process.child)
            let ended = await eventually(every: .milliseconds(50)) {
                await second.tick()
                return await second.leaseObservations().isEmpty
            }
            #expect(ended)
            #expect(SegmentFile.workloads(in: host.segments).isEmpty, "its segment goes with it")
            let third = await ready(host)
            await third.rediscover()
            #expect(await third.leaseObservations().isEmpty)
        }
    }

    @Test func `a descendant that has not touched a device yet keeps the lease`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let process = try sleeper()
            defer { end(process.child) }
            let lease = try await supervisor.lease(request(process), peer: peer)
            let segment = try #require(lease.environment.set["HCS_SEGMENT"])
            let daemon = try ProcessSpawner(
                path: "/bin/sleep", arguments: ["600"], environment: ["HCS_SEGMENT": segment]
            ).spawn()
            defer { end(daemon) }
            end(process.child)
            // Twice its grace, and a control below that a lease does end.
            let gone = await eventually(within: .milliseconds(6500), every: .milliseconds(100)) {
                await supervisor.tick()
                return await supervisor.leaseObservations().isEmpty
            }
            #expect(!gone)
            end(daemon)
            let ended = await eventually(every: .milliseconds(50)) {
                await supervisor.tick()
                return await supervisor.leaseObservations().isEmpty
            }
            #expect(ended)
        }
    }

    @Test func `leases count in their device's report`() async {
        let state = AgentFixtures.state()
        await state.set(devices: [AgentFixtures.device("GPU-a"), AgentFixtures.device("GPU-b")])
        let grant = DeviceGrant(device: DeviceID("GPU-b"), vendor: .nvidia, quota: .gibibytes(3))
        await state.set(
            leases: (1...2).map {
                LeaseObservation(
                    id: AgentFixtures.id($0), name: nil, uid: 1, pid: 2, startTime: 3, grant: grant,
                    startedMilliseconds: 4,
                    usage: [], processes: 0)
            })
        let report = await state.report()
        #expect(report.devices.map(\.localGranted) == [.zero, .gibibytes(6)])
        #expect(report.leases?.map(\.origin) == [.local, .local])
    }
}
