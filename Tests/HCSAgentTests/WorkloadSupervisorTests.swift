import Foundation
import Glibc
import HCSAPI
import HCSAgent
import HCSModel
import HCSSystem
import HCSTestSupport
import NativeArtifacts
import Testing

@Suite(.enabled(if: AgentFixtures.hasShim, "skipped, because hcs-shim and the preload library are not built"))
struct WorkloadSupervisorTests {
    private func ready(_ host: SupervisedHost, user: String? = AgentFixtures.isRoot ? "nobody" : nil) async
        -> WorkloadSupervisor
    {
        let supervisor = host.supervisor(user: user)
        await supervisor.update(devices: [AgentFixtures.report(AgentFixtures.device())])
        return supervisor
    }

    @Test func `a workload runs and its exit code and both outputs are kept`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            await host.apply(
                [AgentFixtures.assignment(1, ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"])], to: supervisor)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            #expect(end.exit == ExitStatus(code: 7))
            #expect(end.usage.map(\.quota) == [.gibibytes(8)])
            #expect(try await host.output(1, supervisor) == "out\n")
            #expect(try await host.output(1, supervisor, .stderr) == "err\n")
            #expect(try await supervisor.logs(of: AgentFixtures.id(1), stream: .stdout, tail: 3) == Data("ut\n".utf8))
            #expect(SegmentFile.workloads(in: host.segments).isEmpty, "the segment goes with the workload")
        }
    }

    /// Two devices, in another order than the host's.
    private func pair(_ number: Int, _ command: [String], whole: Bool = false) -> Assignment {
        var assignment = AgentFixtures.assignment(number, command)
        assignment.grants = [("GPU-b", 4), ("GPU-a", 2)].map {
            DeviceGrant(
                device: DeviceID($0.0), vendor: .nvidia, quota: .gibibytes(UInt64($0.1)), computeMilli: 1000,
                whole: whole ? true : nil)
        }
        return assignment
    }

    private func readyWithTwo(_ host: SupervisedHost) async -> WorkloadSupervisor {
        let supervisor = host.supervisor()
        await supervisor.update(
            devices: [AgentFixtures.device(), AgentFixtures.device("GPU-b", index: 1)].map { AgentFixtures.report($0) })
        return supervisor
    }

    @Test func `a workload with several devices sees them in the order of its grants, each with its own quota`()
        async throws
    {
        try await SupervisedHost.with { host in
            let supervisor = await readyWithTwo(host)
            await host.apply([pair(1, ["/bin/sh", "-c", "echo $CUDA_VISIBLE_DEVICES; sleep 600"])], to: supervisor)
            #expect(try await eventually { try await host.output(1, supervisor) == "GPU-b,GPU-a\n" })
            let running = try #require(await host.reaches(.running, 1, supervisor))
            #expect(running.usage.map(\.device.uuid) == ["GPU-b", "GPU-a"])
            #expect(running.usage.map(\.quota) == [.gibibytes(4), .gibibytes(2)])
            let segment = try SegmentFile.open(path: "\(host.segments)/\(AgentFixtures.id(1))").snapshot()
            #expect(
                Dictionary(uniqueKeysWithValues: segment.devices.map { ($0.device.id.uuid, $0.device.limit) })
                    == ["GPU-a": .gibibytes(2), "GPU-b": .gibibytes(4)])
        }
    }

    @Test func `a whole device comes with all its memory, and nothing fits beside it`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await readyWithTwo(host)
            let whole = pair(1, ["/bin/sleep", "600"], whole: true)
            let beside = AgentFixtures.assignment(2, ["/bin/true"], quota: .mebibytes(1))
            await host.apply([whole], to: supervisor)
            let running = try #require(await host.reaches(.running, 1, supervisor))
            #expect(running.usage.map(\.quota) == [.gibibytes(80), .gibibytes(80)])
            await host.apply([whole, beside], to: supervisor)
            let refused = try #require(await host.reaches(.ended, 2, supervisor))
            #expect(refused.refused == true && refused.exit?.error?.contains("does not fit") == true)
            #expect(await host.observation(1, supervisor)?.usage.map(\.quota) == [.gibibytes(80), .gibibytes(80)])
        }
    }

    @Test func `a whole device is not given where a share of it is taken`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await readyWithTwo(host)
            let small = AgentFixtures.assignment(2, ["/bin/sleep", "600"], quota: .mebibytes(1))
            await host.apply([small], to: supervisor)
            _ = try #require(await host.reaches(.running, 2, supervisor))
            await host.apply([small, pair(1, ["/bin/true"], whole: true)], to: supervisor)
            let refused = try #require(await host.reaches(.ended, 1, supervisor))
            #expect(refused.refused == true && refused.exit?.error?.contains("GPU-a") == true)
        }
    }

    @Test func `a program that does not exist is an end with its reason`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            await host.apply([AgentFixtures.assignment(1, ["/nonexistent/program"])], to: supervisor)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            #expect(end.exit?.error?.contains("/nonexistent/program") == true)
        }
    }

    @Test func `a workload is told nothing of the agent and everything the conventions name`() async throws {
        setenv("HCS_TEST_LEAK", "secret", 1)
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            await host.apply(
                [AgentFixtures.assignment(1, ["/usr/bin/env"], environment: ["LANG": "de_DE.UTF-8", "MINE": "a b"])],
                to: supervisor)
            _ = try #require(await host.reaches(.ended, 1, supervisor))
            let lines = Set(try await host.output(1, supervisor).split(separator: "\n").map(String.init))
            for line in [
                "LD_PRELOAD=\(NativeArtifacts.interceptor)", "HCS_SEGMENT=\(host.segments)/\(AgentFixtures.id(1))",
                "CUDA_VISIBLE_DEVICES=GPU-a", "ASCEND_RT_VISIBLE_DEVICES=", "HIP_VISIBLE_DEVICES=",
                "MLU_VISIBLE_DEVICES=",
                "LANG=de_DE.UTF-8", "MINE=a b", "PATH=\(WorkloadEnvironment.searchPath)",
            ] { #expect(lines.contains(line)) }
            #expect(
                !lines.contains { $0.hasPrefix("HCS_TEST_LEAK") || $0.hasPrefix("ROCR_") || $0.hasPrefix("HCS_SIM") })
        }
    }

    @Test(.enabled(if: AgentFixtures.isRoot, "skipped, because only root can run a workload as another user"))
    func `a workload of a root agent never runs as root and owns its segment alone`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            await host.apply(
                [AgentFixtures.assignment(1, ["/bin/sh", "-c", "id -u; stat -c '%U %a' $HCS_SEGMENT"])], to: supervisor)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            #expect(end.exit == ExitStatus(code: 0))
            #expect(try await host.output(1, supervisor) == "65534\nnobody 600\n")
        }
    }

    @Test(
        .enabled(if: AgentFixtures.isRoot, "skipped, because only a root agent needs a workload user"),
        arguments: ["no-such-user-of-hcs", "root"])
    func `without a usable workload user nothing starts and the reason is told`(name: String) async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host, user: name)
            await host.apply([AgentFixtures.assignment(1, ["/bin/true"])], to: supervisor)
            let end = try #require(await host.observation(1, supervisor))
            #expect(end.phase == .ended)
            #expect(end.exit?.error?.contains(name) == true)
            #expect(end.exit?.error?.contains("never run as root") == true)
        }
    }

    @Test func `a workload that is not wanted any more gets its stop signal`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let script = "trap 'echo got usr1; exit 3' USR1; echo up; while :; do sleep 0.05; done"
            await host.apply(
                [AgentFixtures.assignment(1, ["/bin/sh", "-c", script], stopSignal: SIGUSR1)], to: supervisor)
            #expect(
                try await eventually {
                    await supervisor.tick(); return try await host.output(1, supervisor) == "up\n"
                })
            await host.apply([AgentFixtures.assignment(1, ["/bin/true"], desired: .stop)], to: supervisor)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            #expect(end.exit == ExitStatus(code: 3))
            #expect(try await host.output(1, supervisor) == "up\ngot usr1\n")
        }
    }

    @Test func `one that ignores its stop signal is killed after the grace, its children too`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let script = "trap '' TERM; sleep 600 & echo $!; while :; do sleep 0.05; done"
            await host.apply([AgentFixtures.assignment(1, ["/bin/sh", "-c", script], grace: 1)], to: supervisor)
            #expect(
                try await eventually {
                    await supervisor.tick(); return try await host.output(1, supervisor).hasSuffix("\n")
                })
            let inner = try #require(
                Int32(try await host.output(1, supervisor).trimmingCharacters(in: .whitespacesAndNewlines)))
            let start = ContinuousClock.now
            await host.apply([AgentFixtures.assignment(1, ["/bin/true"], desired: .stop, grace: 1)], to: supervisor)
            #expect(await host.observation(1, supervisor)?.phase == .stopping)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            #expect(end.exit == ExitStatus(signal: SIGKILL))
            #expect(ContinuousClock.now - start >= .milliseconds(950), "the grace was cut short")
            #expect(!Procfs().isAlive(pid: inner, startTime: 0))
        }
    }

    @Test func `a workload that runs too long is stopped`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            await host.apply(
                [AgentFixtures.assignment(1, ["/bin/sleep", "600"], maximumRunSeconds: 1)], to: supervisor)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            #expect(end.exit == ExitStatus(signal: SIGTERM))
        }
    }

    @Test func `a restarted agent finds a running workload again, stops it, and knows how it ended`() async throws {
        try await SupervisedHost.with { host in
            let child: (pid: Int32, startTime: UInt64)
            do {
                let first = await ready(host)
                await host.apply([AgentFixtures.assignment(1, ["/bin/sleep", "600"])], to: first)
                _ = try #require(await host.reaches(.running, 1, first))
                child = try #require(host.child(1))
            }
            let second = await ready(host)
            await second.rediscover()
            #expect(await host.observation(1, second)?.phase == .running)
            #expect(Procfs().isAlive(pid: child.pid, startTime: child.startTime), "the workload outlives its agent")
            #expect(await host.observation(1, second)?.usage.map(\.quota) == [.gibibytes(8)], "its segment is taken up")
            await host.apply([AgentFixtures.assignment(1, ["/bin/sleep", "600"])], to: second)
            #expect(host.child(1)?.pid == child.pid, "it is not started twice")
            await host.apply([AgentFixtures.assignment(1, ["/bin/true"], desired: .stop)], to: second)
            #expect(try #require(await host.reaches(.ended, 1, second)).exit == ExitStatus(signal: SIGTERM))
        }
    }

    @Test func `an end that came while no agent ran is found by the next one`() async throws {
        try await SupervisedHost.with { host in
            let first = await ready(host)
            await host.apply([AgentFixtures.assignment(1, ["/bin/sh", "-c", "exit 5"])], to: first)
            let ended = await eventually { access("\(host.attemptDirectory(1))/exit", F_OK) == 0 }
            #expect(ended)
            let second = await ready(host)
            await second.rediscover()
            #expect(await host.observation(1, second)?.exit == ExitStatus(code: 5))
            let third = await ready(host)
            await third.rediscover()
            await host.apply([AgentFixtures.assignment(1, ["/bin/sh", "-c", "exit 9"])], to: third)
            #expect(
                await host.observation(1, third)?.exit == ExitStatus(code: 5), "the same attempt is never started again"
            )
        }
    }

    @Test func `what the scheduler does not name runs on: one that lost its store must not end anything`() async throws
    {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            await host.apply([AgentFixtures.assignment(1, ["/bin/sleep", "600"])], to: supervisor)
            _ = try #require(await host.reaches(.running, 1, supervisor))
            await host.apply([], to: supervisor)
            for _ in 0..<20 { await supervisor.tick() }
            #expect(await host.observation(1, supervisor)?.phase == .running)
        }
    }

    @Test func `nothing is stopped before the scheduler has said anything`() async throws {
        try await SupervisedHost.with { host in
            let first = await ready(host)
            await host.apply([AgentFixtures.assignment(1, ["/bin/sleep", "600"])], to: first)
            _ = try #require(await host.reaches(.running, 1, first))
            let second = await ready(host)
            await second.rediscover()
            for _ in 0..<20 { await second.tick() }
            #expect(await host.observation(1, second)?.phase == .running)
        }
    }

    @Test func `a pid that was reused by a stranger gets no signal`() async throws {
        try await SupervisedHost.with { host in
            let stranger = try ProcessSpawner(path: "/bin/sleep", arguments: ["600"]).spawn()
            defer {
                try? stranger.signal(SIGKILL)
                _ = try? stranger.wait(milliseconds: 5000)
            }
            let stat = try Procfs().stat(of: stranger.pid)
            try host.directory.write("\(stranger.pid) \(stat.startTime + 1)\n", to: "workloads/x/child")
            let launcher = ShimLauncher(shim: NativeArtifacts.shim)
            for number in [SIGTERM, SIGKILL] {
                try launcher.signal(number, directory: host.directory.file("workloads/x"))
            }
            #expect(!launcher.contains(stranger.pid, directory: host.directory.file("workloads/x")))
            #expect(try stranger.wait(milliseconds: 200) == nil, "the stranger still runs")
            try host.directory.write("\(stranger.pid) \(stat.startTime)\n", to: "workloads/x/child")
            try launcher.signal(SIGTERM, directory: host.directory.file("workloads/x"))
            #expect(
                try stranger.wait(milliseconds: 5000) == ExitStatus(signal: SIGTERM), "the control: its own gets it")
        }
    }

    @Test func `a new attempt starts only when the old one has ended`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
            await host.apply([AgentFixtures.assignment(1, ["/bin/sh", "-c", script], grace: 1)], to: supervisor)
            #expect(
                try await eventually {
                    await supervisor.tick(); return try await host.output(1, supervisor) == "up\n"
                })
            await host.apply([AgentFixtures.assignment(1, attempt: 2, ["/bin/sleep", "600"])], to: supervisor)
            #expect(await host.observation(1, supervisor)?.phase == .stopping)
            #expect(await host.observation(1, supervisor, attempt: 2) == nil)
            let old = try #require(host.child(1))
            _ = try #require(await host.reaches(.running, 1, supervisor, attempt: 2))
            #expect(!Procfs().isAlive(pid: old.pid, startTime: old.startTime))
            #expect(await host.observation(1, supervisor)?.exit == ExitStatus(signal: SIGKILL))
        }
    }

    @Test func `an end is reported until the scheduler has taken it and dropped the workload; the logs stay`()
        async throws
    {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            await host.apply([AgentFixtures.assignment(1, ["/bin/echo", "hello"])], to: supervisor)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            await host.apply([], to: supervisor)
            #expect(await host.observation(1, supervisor) != nil, "not taken yet")
            let state = AgentFixtures.state()
            await state.set(workloads: [end])
            await supervisor.delivered(await state.report())
            #expect(await host.observation(1, supervisor) == nil)
            let next = await ready(host)
            await next.rediscover()
            #expect(await host.observation(1, next) == nil)
            #expect(try await host.output(1, next) == "hello\n")
        }
    }

    @Test func `an assignment that this host cannot keep is refused with its reason`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = host.supervisor()
            await supervisor.update(devices: [
                AgentFixtures.report(AgentFixtures.device()),
                AgentFixtures.report(AgentFixtures.device("GPU-real"), blocked: "a real device"),
                AgentFixtures.report(AgentFixtures.device("GPU-bad"), score: 0),
                AgentFixtures.report(AgentFixtures.device("NPU-a", vendor: .ascend)),
            ])
            let cases: [(Assignment, String)] = [
                (AgentFixtures.assignment(1, ["/bin/true"], device: "GPU-gone"), "no device GPU-gone"),
                (AgentFixtures.assignment(2, ["/bin/true"], device: "GPU-real"), "a real device"),
                (AgentFixtures.assignment(3, ["/bin/true"], device: "GPU-bad"), "failed"),
                (AgentFixtures.assignment(4, ["/bin/true"], device: "NPU-a"), "Huawei Ascend"),
                (AgentFixtures.assignment(5, ["/bin/true"], quota: .gibibytes(81)), "does not fit"),
                (AgentFixtures.assignment(6, ["/bin/true"], environment: ["LD_PRELOAD": "/x"]), "LD_PRELOAD"),
                (AgentFixtures.assignment(7, ["/bin/true"], desired: .stop), "before it was started"),
            ]
            await host.apply(cases.map(\.0), to: supervisor)
            for (number, (_, reason)) in zip(1..., cases) {
                let end = try #require(await host.observation(number, supervisor), "case \(number)")
                #expect(end.phase == .ended)
                #expect(end.exit?.error?.contains(reason) == true, "case \(number): \(end.exit?.description ?? "-")")
                #expect(host.child(number) == nil)
            }
        }
    }

    @Test func `quotas of all live workloads together fit the device`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let first = AgentFixtures.assignment(1, ["/bin/sleep", "600"], quota: .gibibytes(50))
            await host.apply(
                [first, AgentFixtures.assignment(2, ["/bin/true"], quota: .gibibytes(31))], to: supervisor)
            #expect(await host.observation(2, supervisor)?.exit?.error?.contains("50Gi of 80Gi") == true)
            await host.apply(
                [first, AgentFixtures.assignment(3, ["/bin/true"], quota: .gibibytes(30))], to: supervisor)
            let end = try #require(await host.reaches(.ended, 3, supervisor))
            #expect(end.exit == ExitStatus(code: 0))
        }
    }

    @Test func `output is bounded and its end is what is kept`() async throws {
        try await SupervisedHost.with { host in
            let supervisor = await ready(host)
            let script = "i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done"
            await host.apply([AgentFixtures.assignment(1, ["/bin/sh", "-c", script])], to: supervisor)
            _ = try #require(await host.reaches(.ended, 1, supervisor, within: .seconds(30)))
            let text = try await host.output(1, supervisor)
            #expect(text.hasSuffix("line 39999\n"))
            #expect(text.utf8.count <= 2 * (64 << 10))
        }
    }

    @Test func `a record of another boot is an ended workload`() async throws {
        try await SupervisedHost.with { host in
            let first = await ready(host)
            await host.apply([AgentFixtures.assignment(1, ["/bin/sh", "-c", "exit 0"])], to: first)
            _ = try #require(await host.reaches(.ended, 1, first))
            let path = "\(host.attemptDirectory(1))/spec.json"
            let text = try SmallFile.text(path).replacingOccurrences(of: AgentFixtures.bootID, with: "another-boot")
            try AtomicFile.write(text, to: path)
            unlink("\(host.attemptDirectory(1))/ended.json")
            let second = await ready(host)
            await second.rediscover()
            #expect(await host.observation(1, second)?.exit?.error == "the host was restarted")
        }
    }
}
