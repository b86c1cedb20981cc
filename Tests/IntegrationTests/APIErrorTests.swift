import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
import Testing

@Suite("What the scheduler refuses", .serialized)
struct APIErrorTests {
    @Test("a wrong token is answered with a problem 401, no token too, and only /healthz is open")
    func wrongToken() async throws {
        let cluster = try await Cluster()
        for token in ["not-the-token", ""] {
            let problem = await problem { _ = try await cluster.withScheduler(token: token) { try await $0.nodes() } }
            #expect(problem?.status == 401)
            #expect(problem?.code == "unauthorized")
        }
        let health = try await cluster.withScheduler(token: "wrong") { try await $0.http.getText(Routes.health) }
        #expect(health.count < 1000)
        try cluster.directory.write("wrong", to: "wrong.token")
        let shown = try await cluster.run("hcs", ["nodes", "--token-file", cluster.directory.file("wrong.token")])
        #expect(shown.code == 77)
        #expect(shown.error.contains("token"))
        #expect(shown.error.split(separator: "\n").count == 1)
    }

    @Test("the node's token may report and not submit")
    func nodeToken() async throws {
        let cluster = try await Cluster()
        let token = try String(contentsOfFile: cluster.directory.file("scheduler/node.token"), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let spec = WorkloadSpec(name: "x", command: ["/bin/true"], runtime: .cuda, vram: .gibibytes(1))
        let problem = await problem { _ = try await cluster.withScheduler(token: token) { try await $0.submit(spec) } }
        #expect(problem?.status == 401 || problem?.status == 403)
    }

    @Test("an unknown field in a request is a 400 that names it, and nothing is kept")
    func unknownField() async throws {
        let cluster = try await Cluster()
        struct Misspelt: Encodable {
            var name = "x"
            var command = ["/bin/true"]
            var runtime = "cuda"
            var vram = 1024
            var vramm = 4096
        }
        let problem = await problem {
            _ = try await cluster.withScheduler {
                try await $0.http.post(Routes.workloads, Misspelt(), as: WorkloadView.self)
            }
        }
        #expect(problem?.status == 400)
        #expect(problem?.detail.contains("vramm") == true)
        #expect(try await cluster.withScheduler { try await $0.workloads(all: true).items }.isEmpty)
    }

    @Test("the command line ends with the code of sysexits that fits, and one line that says what to do")
    func exitCodes() async throws {
        let cluster = try await Cluster()
        let missing = try await cluster.run("hcs", ["explain", "nobody-has-this-name"])
        #expect(missing.code == 66)
        let badSize = try await cluster.run(
            "hcs", ["submit", "--name", "a", "--runtime", "cuda", "--vram", "8GB", "--", "/bin/true"])
        #expect(badSize.code == 64)
        let badName = try await cluster.run(
            "hcs", ["submit", "--name", "A b", "--runtime", "cuda", "--vram", "8Gi", "--", "/bin/true"])
        #expect(badName.code == 65)
        let reserved = try await cluster.run(
            "hcs",
            [
                "submit", "--name", "a", "--runtime", "cuda", "--vram", "8Gi", "--env", "LD_PRELOAD=/x", "--",
                "/bin/true",
            ])
        #expect(reserved.code == 65)
        #expect(reserved.error.contains("LD_PRELOAD"))
        let nowhere = try await cluster.run("hcs", ["nodes", "--scheduler", "http://127.0.0.1:1"])
        #expect(nowhere.code == 69)
        #expect(nowhere.error.contains("127.0.0.1:1"))
        let noAgent = try await cluster.run(
            "hcs", ["logs", "00000000-0000-4000-8000-000000000000", "--agent-socket", "/nonexistent.sock"])
        #expect(noAgent.code == 69)
        for result in [missing, badName, reserved, nowhere, noAgent] {
            #expect(
                result.error.hasPrefix("hcs: ") && result.error.split(separator: "\n").count == 1, "\(result.error)")
        }
    }

    private func problem(_ body: () async throws -> Void) async -> APIProblem? {
        do {
            try await body()
            return nil
        } catch { return error as? APIProblem }
    }
}
