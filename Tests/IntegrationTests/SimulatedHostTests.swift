import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
import Testing

@Suite("Work on simulated devices", .serialized)
struct SimulatedHostTests {
    static let deviceCount = 6

    @Test("a CUDA client is submitted, runs on a device with its quota and completes")
    func complete() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(Self.deviceCount)
        let submitted = try await cluster.run(
            "hcs",
            [
                "submit", "--name", "short", "--runtime", "cuda", "--vram", "2Gi", "--wait", "--",
                cluster.client(.cuda),
                "alloc", "1Gi", "alloc", "2Gi", "expect", "2", "free", "print", "all done",
            ])
        #expect(submitted.code == 0, "\(submitted.output) \(submitted.error) agent: \(cluster.log("hcs-agent"))")
        let view = try await cluster.workload("short")
        #expect(view.phase == .succeeded)
        #expect(view.exit?.code == 0)
        let log = try await cluster.run("hcs", ["logs", "short"])
        #expect(log.output.contains("alloc 1073741824 ok\nalloc 2147483648 error 2\nexpect 2 ok\n"), "\(log.output)")
        let last = try await cluster.run("hcs", ["logs", "short", "--tail", "1"])
        #expect(last.output == "all done\n")
        let free = try await cluster.withScheduler {
            try await $0.devices().items.filter { $0.ledger.granted.bytes > 0 }
        }
        #expect(free.isEmpty)
    }

    @Test("a workload that fails says how, and --wait ends as it did")
    func failing() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(Self.deviceCount)
        let result = try await cluster.run(
            "hcs",
            [
                "submit", "--name", "fails", "--runtime", "acl", "--vram", "1Gi", "--restart", "never", "--wait", "--",
                cluster.client(.acl), "alloc", "2Gi", "expect", "0",
            ])
        #expect(result.code == 3, "\(result.output) \(result.error)")
        #expect(try await cluster.workload("fails").phase == .failed)
    }

    @Test("a scheduler that is killed has lost nothing when it is back: workloads, tokens, devices")
    func schedulerKilled() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(Self.deviceCount)
        try await hold(cluster, "long", .cuda, "1Gi")
        try await submit(cluster, "waits", .cuda, "4Ti")
        let before = try await cluster.wait(for: "long", "running with memory") {
            $0.phase == .running && $0.usage.contains { $0.used.bytes > 0 }
        }
        let token = cluster.adminToken
        let processes = Cluster.processes(running: cluster.client(.cuda))

        cluster.killScheduler()
        #expect(Cluster.processes(running: cluster.client(.cuda)) == processes)
        try await cluster.startScheduler()

        #expect(cluster.adminToken == token)
        let all = try await cluster.withScheduler { try await $0.workloads(all: true).items }
        #expect(Set(all.map(\.spec.name)) == ["long", "waits"])
        let queued = try await cluster.workload("waits")
        #expect(queued.phase == .queued)
        let after = try await cluster.workload("long")
        #expect(after.id == before.id && after.spec == before.spec && after.grants == before.grants)
        #expect(after.attempt == before.attempt)
        // The port is a new one, so the agent is started anew, as a service manager with a fixed port need not.
        cluster.killAgent()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(Self.deviceCount)
        let again = try await cluster.wait(for: "long", "running again in the reports") {
            $0.phase == .running && $0.usage.contains { $0.used.bytes > 0 }
        }
        #expect(again.attempt == before.attempt)
        #expect(Cluster.processes(running: cluster.client(.cuda)) == processes)
    }

    @Test("an agent that is killed leaves its workloads alone and finds them again")
    func agentKilled() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(Self.deviceCount)
        try await hold(cluster, "long", .hip, "1Gi")
        let before = try await cluster.wait(for: "long", "running with memory") {
            $0.phase == .running && $0.usage.contains { $0.used.bytes > 0 }
        }
        let processes = Cluster.processes(running: cluster.client(.hip))
        #expect(processes.count == 1)

        cluster.killAgent()
        #expect(Cluster.processes(running: cluster.client(.hip)) == processes)
        try cluster.startAgent(.simulated)
        let socket = cluster.directory.file("run/agent.sock")
        var found: WorkloadObservation?
        _ = await eventually(every: .milliseconds(50)) {
            let status = try? await HTTPAPIClient.with(endpoint: .unixSocket(path: socket), token: nil) {
                try await AgentClient($0).status()
            }
            found = status?.workloads.first { $0.id == before.id }
            return found?.phase == .running && found?.usage.contains { $0.used.bytes > 0 } == true
        }
        #expect(found?.phase == .running, "agent: \(cluster.log("hcs-agent"))")
        #expect(found?.attempt == before.attempt)
        #expect(Cluster.processes(running: cluster.client(.hip)) == processes)
        let after = try await cluster.wait(for: "long", "running") { $0.phase == .running }
        #expect(after.attempt == before.attempt)

        #expect(try await cluster.run("hcs", ["delete", "long"]).code == 0)
        let gone = await eventually(every: .milliseconds(50)) {
            Cluster.processes(running: cluster.client(.hip)).isEmpty
        }
        #expect(gone, "agent: \(cluster.log("hcs-agent"))")
    }

    @Test("explain says for each device why a request that fits nowhere waits")
    func explain() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(Self.deviceCount)
        try await submit(cluster, "too-big", .cnrt, "4Ti")
        let explanation = try await cluster.withScheduler { try await $0.explain("too-big") }
        #expect(explanation.devices.count == Self.deviceCount)
        #expect(explanation.devices.allSatisfy { !$0.fits && !$0.reasons.isEmpty })
        #expect(try await cluster.workload("too-big").phase == .queued)
    }

    private func hold(_ cluster: Cluster, _ name: String, _ runtime: Runtime, _ vram: String) async throws {
        try await submit(cluster, name, runtime, vram, ["alloc", "512Mi", "hold", "300"])
    }

    private func submit(
        _ cluster: Cluster, _ name: String, _ runtime: Runtime, _ vram: String, _ steps: [String] = ["hold", "300"]
    )
        async throws
    {
        let result = try await cluster.run(
            "hcs",
            ["submit", "--name", name, "--runtime", runtime.rawValue, "--vram", vram, "--", cluster.client(runtime)]
                + steps)
        guard result.code == 0 else { throw Cluster.Failure("hcs submit \(name): \(result.error)") }
    }
}
