import Foundation
import HCSAPI
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@Suite("Escapes", .serialized)
struct EscapeTests {
    private func escapes(_ cluster: Cluster, _ reached: ([Escape]) -> Bool) async -> [Escape] {
        var last: [Escape] = []
        _ = await eventually(every: .milliseconds(50)) {
            last = (try? await cluster.status().escapes) ?? []
            return reached(last)
        }
        return last
    }

    /// A program that uses the simulated driver and knows nothing of HCS, by the tests' own user.
    private func stranger(_ cluster: Cluster) throws -> ChildProcess {
        try cluster.start(
            cluster.client(.cuda), ["alloc", "512Mi", "hold", "300"], output: "stranger",
            environment: [
                "LD_LIBRARY_PATH": cluster.directory.file("simulated"),
                "HCS_SIM_STATE": cluster.directory.file("run/simulation.state"),
            ])
    }

    @Test("a client without the preload library is told everywhere, left alone, and over when it ends")
    func unmanaged() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        // The control: a leased one is no escape.
        let leased = try cluster.start(
            "hcs",
            ["run", "--vram", "4Gi", "--vendor", "nvidia", "--", cluster.client(.cuda), "alloc", "2Gi", "hold", "300"],
            output: "leased")
        let process = try stranger(cluster)
        let found = await escapes(cluster) { !$0.isEmpty }
        #expect(found.map(\.pid) == [process.pid], "\(found) agent: \(cluster.log("hcs-agent"))")
        #expect(found.first?.kind == .unmanaged)
        #expect((found.first?.bytes ?? .zero) >= .mebibytes(512))
        #expect(found.first?.commandLine?.contains("hcs-client-cuda alloc 512Mi") == true)
        #expect(found.first?.workload == nil)
        let told = await eventually(every: .milliseconds(50)) {
            let node = try? await cluster.withScheduler { try await $0.nodes().items.first }
            return node?.escapes?.map(\.pid) == [process.pid]
        }
        #expect(told)
        #expect(try await cluster.status().escapeTotals?.map(\.count) == [1])
        #expect(
            Procfs().isAlive(pid: process.pid, startTime: found.first?.startTime ?? 1), "policy report ends nothing")
        cluster.stop(process)
        #expect(await escapes(cluster) { $0.isEmpty }.isEmpty)
        #expect(try await cluster.status().leases?.map(\.pid) == [leased.pid])
    }

    @Test("under terminate a workload's process that threw the library off is ended, and root's stranger is not")
    func terminate() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated, ["--escape-policy", "terminate"])
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        let process = geteuid() == 0 ? try stranger(cluster) : nil
        let submitted = try await cluster.run(
            "hcs",
            [
                "submit", "--name", "sly", "--runtime", "cuda", "--vram", "1Gi", "--restart", "never", "--",
                "/usr/bin/env", "-u", "LD_PRELOAD", cluster.client(.cuda), "alloc", "4Gi", "hold", "300",
            ])
        #expect(submitted.code == 0, "\(submitted.error)")
        let ended = try await cluster.wait(for: "sly", "ended") { $0.phase.hasEnded }
        #expect(ended.exit == HCSModel.ExitStatus(signal: SIGTERM), "\(ended)")
        #expect(cluster.log("hcs-agent").contains("of workload \(ended.id) holds 4Gi"), "\(cluster.log("hcs-agent"))")
        if let process {
            let left = await escapes(cluster) { $0.map(\.pid) == [process.pid] }
            #expect(left.map(\.uid) == [0])
            #expect(try process.poll() == nil, "it still runs")
        }
    }

    @Test("a quota that a workload changed in its segment is put back and told")
    func limit() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        // The first device's limit lies at 512 + 128 (hcs_segment.h).
        let script =
            "printf '\\377\\377\\377\\377\\377\\377\\377\\177' "
            + "| dd of=$HCS_SEGMENT bs=1 seek=640 conv=notrunc 2>/dev/null; sleep 300"
        _ = try await cluster.run(
            "hcs", ["submit", "--name", "forger", "--runtime", "cuda", "--vram", "1Gi", "--", "/bin/sh", "-c", script])
        let found = await escapes(cluster) { !$0.isEmpty }
        let view = try await cluster.workload("forger")
        #expect(found.map(\.kind) == [.limitChanged], "\(found) agent: \(cluster.log("hcs-agent"))")
        #expect(found.first?.workload == view.id)
        #expect(found.first?.bytes == .gibibytes(79), "as far as the device goes")
        let back = try await cluster.wait(for: "forger", "running at 1Gi") {
            $0.phase == .running && $0.usage.map(\.quota) == [.gibibytes(1)]
        }
        #expect(back.attempt == 1)
    }
}
