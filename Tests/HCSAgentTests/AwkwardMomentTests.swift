import Foundation
import Glibc
import HCSAPI
import HCSAgent
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

/// The agent ends at bad moments, clocks are set, schedulers forget.
@Suite(.enabled(if: AgentFixtures.hasShim, "skipped, because hcs-shim and the preload library are not built"))
struct AwkwardMomentTests {
    private func ready(_ host: SupervisedHost) async -> WorkloadSupervisor {
        let supervisor = host.supervisor()
        await supervisor.update(devices: [AgentFixtures.report(AgentFixtures.device())])
        return supervisor
    }

    private func record(_ assignment: Assignment, in host: SupervisedHost) throws {
        let record = HCSAgent.WorkloadRecord(
            bootID: AgentFixtures.bootID, assignment: assignment, devices: [AgentFixtures.device()], user: nil,
            createdMilliseconds: RealtimeClock.nowMilliseconds())
        let directory = host.attemptDirectory(1)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try HCSJSON.encode(record).write(to: URL(fileURLWithPath: "\(directory)/spec.json"))
        try Data("A=b\0".utf8).write(to: URL(fileURLWithPath: "\(directory)/env"))
    }

    @Test func `what the agent recorded but never launched is planned again, and a late shim cannot start it`()
        async throws
    {
        try await SupervisedHost.with { host in
            let assignment = AgentFixtures.assignment(1, ["/bin/sleep", "60"])
            try record(assignment, in: host)
            let supervisor = await ready(host)
            await supervisor.rediscover()
            await host.apply([assignment], to: supervisor)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            #expect(end.refused == true)
            #expect(end.exit?.error?.contains("the agent ended") == true)
            #expect(access("\(host.attemptDirectory(1))/env", F_OK) != 0)
        }
    }

    @Test func `what was never launched and is to be stopped has ended at once`() async throws {
        try await SupervisedHost.with { host in
            try record(AgentFixtures.assignment(1, ["/bin/sleep", "60"]), in: host)
            let supervisor = await ready(host)
            await supervisor.rediscover()
            await host.apply([AgentFixtures.assignment(1, ["/bin/sleep", "60"], desired: .stop)], to: supervisor)
            #expect(await host.observation(1, supervisor)?.phase == .ended)
        }
    }

    @Test func `an end that a scheduler has forgotten, its store set back, is told again`() async throws {
        try await SupervisedHost.with { host in
            let assignment = AgentFixtures.assignment(1, ["/bin/true"])
            let supervisor = await ready(host)
            await host.apply([assignment], to: supervisor)
            let end = try #require(await host.reaches(.ended, 1, supervisor))
            func deliver() async {
                await supervisor.delivered(
                    NodeReport(
                        bootID: "b", node: "n1", sequence: 1, agentStartMilliseconds: 0, sentMilliseconds: 0,
                        host: HostFacts(
                            hostname: "n1", kernel: "6", architecture: "x86_64", cpuModel: "c", cpuCount: 1,
                            memory: .zero, numaNodes: [], acceleratorFunctions: []),
                        devices: [], workloads: [end], vendors: [], probes: []))
            }
            await deliver()
            await host.apply([], to: supervisor)
            #expect(await host.observation(1, supervisor) == nil)
            await host.apply([assignment], to: supervisor)
            #expect(await host.observation(1, supervisor) == end)
            await deliver()
            await host.apply([], to: supervisor)
            #expect(await host.observation(1, supervisor) == nil)
        }
    }

    @Test func `files that cannot be read say nothing about a workload's end`() async throws {
        try await SupervisedHost.with { host in
            let launcher = ShimLauncher(shim: "/nonexistent")
            let path = host.directory.file("attempt")
            for name in ["shim", "child", "exit"] {
                try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
                #expect(launcher.state(of: path) == .unknown, "\(name) is a directory")
                try FileManager.default.removeItem(atPath: "\(path)/\(name)")
            }
            #expect(launcher.state(of: path) == .absent)
        }
    }

    @Test func `a wall clock that is set forward does not use up a workload's run time`() async throws {
        try await SupervisedHost.with { host in
            let first = await ready(host)
            await host.apply(
                [AgentFixtures.assignment(1, ["/bin/sleep", "60"], maximumRunSeconds: 3600)], to: first)
            _ = try #require(await host.reaches(.running, 1, first))
            let path = "\(host.attemptDirectory(1))/spec.json"
            var record = try HCSJSON.decode(
                HCSAgent.WorkloadRecord.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
            record.createdMilliseconds -= 7_200_000
            try HCSJSON.encode(record).write(to: URL(fileURLWithPath: path))
            let second = await ready(host)
            await second.rediscover()
            #expect(await host.observation(1, second)?.phase == .running)
            #expect(await host.observation(1, second)?.phase == .running)
        }
    }
}
