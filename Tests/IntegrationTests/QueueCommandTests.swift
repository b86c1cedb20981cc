import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
import Testing

@Suite("The queue on the command line", .serialized)
struct QueueCommandTests {
    private static let policy = """
        defragmentation: {run: true}
        tenants:
          - {name: research, limit: {vram: 100Gi}}
          - {name: product}
        """

    private func submit(_ cluster: Cluster, _ name: String, _ more: [String]) async throws -> String {
        let result = try await cluster.run(
            "hcs", ["submit", "--name", name, "--runtime", "cuda"] + more + ["--", "/bin/sleep", "600"])
        #expect(result.code == 0, "\(result)")
        return result.output
    }

    @Test("shows the line, why each waits and what the tenants have; a gang starts together; moves make room")
    func queue() async throws {
        let cluster = try await Cluster()
        cluster.killScheduler()
        try cluster.directory.write(Self.policy, to: "config/scheduler.yaml")
        try await cluster.startScheduler(["--config-dir", cluster.directory.file("config")])
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)

        let gang = ["--vram", "30Gi", "--tenant", "research", "--gang", "g", "--gang-size", "2"]
        let first = try await submit(cluster, "g-0", gang)
        #expect(first.contains("1 of 2 members of gang g are here"), "\(first)")
        _ = try await submit(cluster, "g-1", gang)
        for name in ["g-0", "g-1"] { _ = try await cluster.wait(for: name, "running") { $0.phase == .running } }
        let over = try await submit(cluster, "over", ["--vram", "50Gi", "--tenant", "research"])
        #expect(over.contains("tenant research would pass its limit of 100Gi of device memory"), "\(over)")

        let shown = try await cluster.run("hcs", ["queue"])
        #expect(shown.code == 0 && shown.output.contains("over") && shown.output.contains("its limit"), "\(shown)")
        let json = try await cluster.run("hcs", ["queue", "--tenant", "research", "--json"])
        let view = try HCSJSON.decode(QueueView.self, from: Data(json.output.utf8))
        #expect(view.items.map(\.code) == ["quota"] && view.tenants.map(\.placed) == [2])
        #expect(try await cluster.run("hcs", ["queue", "--tenant", "nobody"]).code == 66)
        let rules = try await cluster.run("hcs", ["queue", "policy"])
        #expect(rules.output.contains("scheduler.yaml") && rules.output.contains("limit: {vram: 100Gi}"), "\(rules)")
        let nobody = try await cluster.run(
            "hcs",
            ["submit", "--name", "x", "--runtime", "cuda", "--vram", "1Gi", "--tenant", "nobody", "--", "/bin/true"])
        #expect(nobody.code == 65 && nobody.error.contains("there are: default, product, research"), "\(nobody)")
        let plan = try await cluster.run("hcs", ["defrag", "--plan", "over"])
        #expect(plan.code == 65 && plan.error.contains("its limit"), "\(plan)")
        for name in ["g-0", "g-1", "over"] { _ = try await cluster.run("hcs", ["delete", name]) }
        _ = try await cluster.wait(for: "g-0", "deleted") { $0.phase == .deleted }
        _ = try await cluster.wait(for: "g-1", "deleted") { $0.phase == .deleted }

        // Two devices with a half each: what wants a whole one waits until one half has moved to the other.
        for name in ["a", "b", "c"] { _ = try await submit(cluster, name, ["--vram", name == "b" ? "45Gi" : "30Gi"]) }
        for name in ["a", "b", "c"] { _ = try await cluster.wait(for: name, "running") { $0.phase == .running } }
        _ = try await cluster.run("hcs", ["delete", "b"])
        _ = try await cluster.wait(for: "b", "deleted") { $0.phase == .deleted }
        let large = try await submit(cluster, "large", ["--vram", "60Gi"])
        #expect(large.contains("queued"), "\(large)")
        let moves = try await cluster.run("hcs", ["defrag", "--plan"])
        #expect(moves.output.contains("1 move makes room for large"), "\(moves)")
        #expect(try await cluster.workload("large").phase == .queued)
        let run = try await cluster.run("hcs", ["defrag", "--run", "large"])
        #expect(run.output.contains("1 move is under way to make room for large"), "\(run)")
        _ = try await cluster.wait(for: "large", "running") { $0.phase == .running }
        for name in ["a", "c"] { _ = try await cluster.wait(for: name, "running") { $0.phase == .running } }
    }

    @Test("a mistake in scheduler.yaml ends the start and names file, line and field")
    func mistake() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("version: 1\ntenants:\n  - {name: a, wieght: 2}\n", to: "config/scheduler.yaml")
        let result = try await Programs.run(
            "hcs-scheduler",
            [
                "--listen", "127.0.0.1:0", "--state-dir", directory.file("state"), "--config-dir",
                directory.file("config"),
            ], environment: [:])
        #expect(result.code != 0, "\(result)")
        #expect(
            result.error.contains("config/scheduler.yaml line 3: tenants[0]: unknown field 'wieght'"), "\(result)")
    }
}
