import Foundation
import HCSAPI
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@Suite("hcs run", .serialized)
struct LeaseTests {
    private static let deviceCount = 6

    private func simulated() async throws -> Cluster {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(Self.deviceCount)
        return cluster
    }

    @Test("the command keeps its share, its arguments, its directory, its environment and its exit code")
    func command() async throws {
        let cluster = try await simulated()
        let shared = try await cluster.run(
            "hcs",
            ["run", "--vram", "2Gi", "--vendor", "nvidia", "--job", "mine", "--"] + [
                cluster.client(.cuda), "alloc", "1Gi", "alloc", "2Gi", "expect", "2", "free", "print", "all done",
            ])
        #expect(shared.code == 0, "\(shared.output) \(shared.error) agent: \(cluster.log("hcs-agent"))")
        #expect(
            shared.output.hasPrefix("alloc 1073741824 ok\nalloc 2147483648 error 2\nexpect 2 ok\n"), "\(shared.output)")
        let script =
            "echo $HCS_JOB $HCS_RUNTIME_DIR $(pwd) $#; ls -l /proc/$$/fd; exit 9"
        let shell = try await cluster.run(
            "hcs",
            [
                "run", "--vram", "1Gi", "--runtime", "acl", "--job", "mine", "--", "sh", "-c", script, "sh", "--vram",
                "x y",
            ])
        #expect(shell.code == 9)
        let here = FileManager.default.currentDirectoryPath
        let lines = shell.output.split(separator: "\n").map(String.init)
        #expect(lines.first == "mine \(cluster.directory.file("run")) \(here) 2", "\(shell.output) \(shell.error)")
        // Not through a shell: dash unblocks signals by itself.
        let mask = try await cluster.run(
            "hcs", ["run", "--vram", "1Gi", "--vendor", "nvidia", "--", "grep", "SigBlk", "/proc/self/status"])
        #expect(mask.output == "SigBlk:\t0000000000000000\n", "signals reach the command")
        let left = lines.filter { $0.contains("socket:") || $0.contains("anon_inode:") }
        #expect(left.isEmpty, "what hcs opened to ask the agent is closed: \(shell.output)")
    }

    @Test("what cannot be run ends as in a shell, what cannot be given says why")
    func refused() async throws {
        let cluster = try await simulated()
        let rows: [(arguments: [String], code: Int32, message: String)] = [
            (["--vram", "1Gi", "--vendor", "nvidia", "--", "no-such-command-of-hcs"], 127, "command not found"),
            (["--vram", "1Gi", "--vendor", "nvidia", "--", "/etc/passwd"], 126, "Permission denied"),
            (["--vram", "4Ti", "--vendor", "nvidia", "--", "true"], 65, "does not fit"),
            (["--vram", "1Gi", "--vendor", "nvidia", "--device", "GPU-none", "--", "true"], 65, "no device GPU-none"),
            (["--vram", "0", "--vendor", "nvidia", "--", "true"], 65, "more than 0"),
            (["--vram", "1Gi", "--", "true"], 64, "--vendor or --runtime"),
            (["--vram", "1Gi", "--vendor", "nvidia"], 64, "after '--'"),
        ]
        for row in rows {
            let result = try await cluster.run("hcs", ["run"] + row.arguments)
            #expect(result.code == row.code, "\(row.arguments): \(result.output) \(result.error)")
            #expect(result.error.contains(row.message), "\(row.arguments): \(result.error)")
        }
    }

    @Test("without an agent it says so, and how the quota holds without one")
    func noAgent() async throws {
        let result = try await Programs.run(
            "hcs",
            ["run", "--vram", "1536Mi", "--vendor", "nvidia", "--agent-socket", "/nonexistent/agent.sock", "--", "./x"])
        #expect(result.code == 69)
        #expect(result.error.contains("HCS_VRAM_QUOTA=1536Mi LD_PRELOAD="), "\(result.error)")
    }

    @Test("what is cordoned is not leased after a restart of the agent, though its scheduler is away")
    func cordonedAcrossRestart() async throws {
        let cluster = try await simulated()
        func leases() async throws -> (code: Int32, output: String, error: String) {
            try await cluster.run("hcs", ["run", "--vendor", "nvidia", "--vram", "1Gi", "--", "/bin/true"])
        }
        #expect(try await leases().code == 0)
        #expect(try await cluster.run("hcs", ["cordon", "host-a", "--reason", "power", "--by", "ada"]).code == 0)
        #expect(try await eventually { try await leases().error.contains("cordoned by ada: power") })
        cluster.killScheduler()
        cluster.killAgent()
        try cluster.startAgent(.simulated)
        var refusal = ""
        let refused = try await eventually {
            refusal = try await leases().error
            return refusal.contains("cordoned by ada: power")
        }
        #expect(refused, "\(refusal) agent: \(cluster.log("hcs-agent"))")
    }

    @Test("a storm of faults that no device here has is not a storm of lines in the agent's log")
    func quietLog() async throws {
        let cluster = try await simulated()
        let line = "NVRM: Xid (PCI:00ff:ee:00): 31, pid=1, name=x, MMU Fault\n"
        let last = "NVRM: Xid (PCI:00ff:ee:00): 63, last\n"
        try cluster.directory.write(String(repeating: line, count: 500) + last, to: "kernel.log")
        func count(_ text: String) -> Int {
            cluster.output("hcs-agent.log").split(separator: "\n").count { $0.contains(text) }
        }
        #expect(await eventually { count("xid 63 on no device known here") == 1 }, "\(cluster.log("hcs-agent"))")
        #expect((1..<10).contains(count("xid 31 on no device known here")), "one, or one a minute")
    }

    @Test("a lease counts at the scheduler, survives its agent, and is given back with its process")
    func ledger() async throws {
        let cluster = try await simulated()
        let command = try cluster.start(
            "hcs",
            [
                "run", "--vram", "70Gi", "--runtime", "cuda", "--", cluster.client(.cuda), "alloc", "512Mi", "hold",
                "300",
            ],
            output: "leased")
        /// nil while the scheduler does not know the devices: an agent that has just started has not looked yet.
        func granted() async -> [UInt64]? {
            let devices = try? await cluster.withScheduler { try await $0.devices().items }
            guard let devices, devices.count == Self.deviceCount else { return nil }
            return devices.map { $0.ledger.granted.bytes >> 30 }.filter { $0 > 0 }
        }
        var seen: [UInt64]?
        let counted = await eventually(every: .milliseconds(50)) {
            seen = await granted()
            return seen == [70]
        }
        #expect(counted, "\(seen ?? []), \(cluster.output("leased")), agent: \(cluster.log("hcs-agent"))")
        let node = try await cluster.withScheduler { try await $0.nodes().items.first }
        #expect(node?.leases?.map(\.origin) == [.local])
        #expect(node?.leases?.first?.pid == command.pid, "the command is hcs itself, become it")

        // The next ones: 70Gi fit once more, on the other device; then nowhere.
        let second = try await cluster.run(
            "hcs", ["run", "--vram", "70Gi", "--vendor", "nvidia", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"])
        #expect(second.code == 0)
        #expect(second.output != "" && !second.output.hasPrefix(node?.leases?.first?.grant.device.uuid ?? "-"))
        let pinned = try await cluster.run(
            "hcs",
            [
                "run", "--vram", "70Gi", "--vendor", "nvidia", "--device",
                node?.leases?.first?.grant.device.uuid ?? "-", "--", "true",
            ])
        #expect(pinned.code == 75, "\(pinned.error)")

        cluster.killAgent()
        try cluster.startAgent(.simulated)
        var found: LeaseObservation?
        _ = await eventually(every: .milliseconds(50)) {
            found = try? await cluster.status().leases?.first { $0.pid == command.pid }
            return found?.usage.contains { $0.used == .mebibytes(512) } == true
        }
        #expect(found?.usage.map(\.used) == [.mebibytes(512)], "agent: \(cluster.log("hcs-agent"))")

        cluster.stop(command)
        let back = await eventually(every: .milliseconds(50)) { await granted() == [] }
        #expect(back, "agent: \(cluster.log("hcs-agent"))")
        let names = try FileManager.default.contentsOfDirectory(atPath: cluster.directory.file("state/leases"))
        #expect(names.isEmpty)
    }
}
