import Foundation
import Glibc
import HCSAPI
import HCSAgent
import HCSModel
import HCSSystem
import HCSTestSupport
import NIOCore
import Synchronization
import Testing

@Suite struct LocalAPITests {
    private static let canBeNobody =
        geteuid() == 0 && access("/usr/bin/setpriv", X_OK) == 0 && access("/usr/bin/perl", X_OK) == 0

    private func with(_ body: @Sendable (String, HTTPAPIClient) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        chmod(directory.path, 0o755)
        let path = directory.file("agent.sock")
        let state = AgentFixtures.state()
        let listening = Mutex(false)
        let server = Task {
            try await LocalAPI.serve(
                socketPath: path, logger: AgentFixtures.logger, status: { await state.status() },
                logs: { id, stream, tail throws(AgentError) in
                    guard id == AgentFixtures.id(1) else { throw AgentError(.unavailable, "no workload \(id)") }
                    return ByteBuffer(string: "\(stream.rawValue) \(tail)")
                },
                leases: LeaseRoute { request, peer throws(APIProblem) in
                    guard request.pid == peer.pid else { throw .forbidden("\(peer.uid)") }
                    return Lease(
                        id: AgentFixtures.id(9),
                        grant: DeviceGrant(device: DeviceID("GPU-a"), vendor: .nvidia, quota: request.bytes),
                        simulated: true,
                        environment: EnvironmentChange(set: ["UID": "\(peer.uid)"], prepend: [:], unset: []))
                }, running: { listening.withLock { $0 = true } })
        }
        defer { server.cancel() }
        #expect(await eventually { listening.withLock { $0 } })
        try await HTTPAPIClient.with(endpoint: .unixSocket(path: path), token: nil) { try await body(path, $0) }
    }

    @Test func `the status and the logs answer, and the socket lets only its group in`() async throws {
        try await with { path, http in
            let client = AgentClient(http)
            let answer = try await client.status()
            let logs = try await client.logs(AgentFixtures.id(1), stream: .stderr, tail: 10)
            #expect(answer.node == "n1")
            #expect(logs == Data("stderr 10".utf8))
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o660)
        }
    }

    @Test(arguments: [
        ("/v1/nothing", 404, "not-found"), ("/", 404, "not-found"),
        ("/v1/local/workloads/\(AgentFixtures.id(2))/logs", 404, "not-found"),
        ("/v1/local/workloads/../../etc/logs", 404, "not-found"), ("/v1/local/workloads/x/logs", 400, "bad-request"),
        ("/v1/local/workloads/\(AgentFixtures.id(1))/logs?stream=both", 400, "bad-request"),
        ("/v1/local/workloads/\(AgentFixtures.id(1))/logs?tail=-1", 400, "bad-request"),
        ("/v1/local/workloads/\(AgentFixtures.id(1))/logs?tail=99999999999999999999", 400, "bad-request"),
        ("/v1/local/workloads/\(AgentFixtures.id(1))/logs?tial=1", 400, "bad-request"),
    ])
    func `what is not understood gets a problem`(path: String, status: Int, code: String) async throws {
        try await with { _, http in
            do {
                _ = try await http.getText(path)
                Issue.record("\(path) was answered")
            } catch let problem as APIProblem {
                #expect(problem.status == status)
                #expect(problem.code == code)
                #expect(!problem.detail.isEmpty)
            }
        }
    }

    @Test func `a lease is asked for in the name of who is at the other end of the socket`() async throws {
        try await with { _, http in
            let client = AgentClient(http)
            func request(_ pid: Int32) -> LeaseRequest {
                LeaseRequest(vendor: .nvidia, bytes: .gibibytes(1), pid: pid, startTime: 1)
            }
            let given = try await client.lease(request(getpid()))
            #expect(given.environment.set == ["UID": "\(geteuid())"])
            struct Misspelt: Encodable { let vendor = "nvidia", byts = 1 }
            #expect(await problem { _ = try await client.lease(request(1)) }?.status == 403)
            let misspelt = await problem { _ = try await http.post(Routes.localLeases, Misspelt(), as: Lease.self) }
            #expect(misspelt?.status == 400 && misspelt?.detail.contains("byts") == true)
            let large = String(repeating: "x", count: 5000)
            #expect(await problem { _ = try await http.post(Routes.localLeases, large, as: Lease.self) }?.status == 413)
        }
    }

    private func problem(_ body: () async throws -> Void) async -> APIProblem? {
        do { try await body() } catch { return error as? APIProblem }
        return nil
    }

    @Test(.enabled(if: canBeNobody, "skipped, because it needs root, setpriv and perl to ask as another user"))
    func `a user without permission gets 403 even when the socket's mode lets it in`() async throws {
        try await with { path, _ in
            let script =
                "use IO::Socket::UNIX; my $s=IO::Socket::UNIX->new(Peer=>$ARGV[0]) or do { print \"refused: $!\"; exit 2 }; "
                + "print $s \"GET /v1/local/status HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n\"; print while <$s>;"
            func ask(_ user: [String]) async throws -> String {
                try await Self.output("/usr/bin/setpriv", user + ["/usr/bin/perl", "-e", script, path])
            }
            let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]
            #expect(try await ask(nobody).hasPrefix("refused"), "mode 0660 keeps it out already")
            chmod(path, 0o666)
            let answer = try await ask(nobody)
            #expect(answer.hasPrefix("HTTP/1.1 403"))
            #expect(answer.contains("application/problem+json") && answer.contains("65534"))
            #expect(try await ask(["--reuid", "65534", "--regid", "0", "--clear-groups"]).hasPrefix("HTTP/1.1 403"))
            chown(path, 0, 65534)
            #expect(try await ask(nobody).hasPrefix("HTTP/1.1 200"), "the socket's own group may")
            #expect(try await ask(["--reuid", "0"]).hasPrefix("HTTP/1.1 200"), "root may")
        }
    }

    private static func output(_ path: String, _ arguments: [String]) async throws -> String {
        try await withCheckedThrowingContinuation { waiting in
            DispatchQueue.global().async {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: path)
                process.arguments = arguments
                let pipe = Pipe()
                process.standardOutput = pipe
                do {
                    try process.run()
                    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
                    process.waitUntilExit()
                    waiting.resume(returning: String(decoding: data, as: UTF8.self))
                } catch { waiting.resume(throwing: error) }
            }
        }
    }
}
