import ArgumentParser
import Foundation
import Glibc
import HCSAPI
import HCSModel
import HCSTestSupport
import Synchronization
import Testing

@testable import hcs

/// `hcs events --follow` over what a scheduler does in its life.
@Suite("Events are followed on") struct FollowTests {
    @Test("a scheduler that comes back at another port is found again by its address file")
    func moved() async throws {
        let cluster = try await Cluster()
        let follower = try cluster.start(
            "hcs", ["events", "--follow", "--json"], output: "follow",
            environment: ["HCS_STATE_DIR": cluster.directory.file("scheduler")])
        defer { cluster.stop(follower) }
        func starts() -> Int {
            cluster.output("follow").split(separator: "\n").count { $0.contains("\"scheduler-started\"") }
        }
        #expect(await eventually { starts() == 1 }, "\(cluster.output("follow"))")
        let first = cluster.schedulerURL
        cluster.killScheduler()
        #expect(await eventually { cluster.output("follow").contains("Waiting for it") })
        // Nobody listens here, and nobody else can.
        let taken = try BoundPort(Int(first.split(separator: ":").last ?? "") ?? 0)
        try await cluster.startScheduler()
        #expect(cluster.schedulerURL != first)
        #expect(await eventually { starts() == 2 }, "\(cluster.output("follow"))")
        withExtendedLifetime(taken) {}
    }

    @Test("a scheduler whose address file is gone is where it was last, and what the user says beats the file")
    func address() throws {
        let directory = try TemporaryDirectory()
        let paths = LocalPaths(environment: ["HCS_STATE_DIR": directory.path], uid: 1)
        let options = try SchedulerOptions.parse([])
        #expect(try options.resolveURL(paths) == SchedulerOptions.defaultURL)
        #expect(try options.resolveURL(paths, otherwise: "http://h:1") == "http://h:1")
        try directory.write("http://h:2\n", to: "address")
        #expect(try options.resolveURL(paths, otherwise: "http://h:1") == "http://h:2")
        let said = try SchedulerOptions.parse(["--scheduler", "http://h:3"])
        #expect(try said.resolveURL(paths, otherwise: "http://h:1") == "http://h:3")
    }

    @Test("a scheduler that answers with an error of its own is waited for, any other error ends it")
    func failing() async throws {
        func page(_ number: UInt64) throws -> Data {
            let event = FleetEvent(
                sequence: number, atMilliseconds: 0, kind: .schedulerStarted, severity: .info, message: "run \(number)")
            return try HCSJSON.encode(EventPage(items: [event], next: number, gap: false, atEnd: true))
        }
        let problem = try HCSJSON.encode(
            APIProblem(status: 503, code: "closing", title: "Closing", detail: "the scheduler is closing"))
        let server = try ScriptedServer([
            (200, try page(1)), (503, problem), (502, Data("<html>".utf8)), (200, try page(2)),
            (404, Data("gone".utf8)),
        ])
        let result = try await Programs.run(
            "hcs", ["events", "--follow", "--json"], environment: ["HCS_SCHEDULER": server.url])
        let seen = try result.output.split(separator: "\n").map {
            try HCSJSON.decode(FleetEvent.self, from: Data($0.utf8)).sequence
        }
        #expect(seen == [1, 2], "\(result.error)")
        #expect(result.error.components(separatedBy: "Waiting for it").count == 2, "said once: \(result.error)")
        #expect(result.code != 0 && result.error.contains("404"), "\(result.error)")
        let asked = server.requests
        #expect(asked.count == 5 && asked[0].contains("after=0") && asked[0].contains("since="))
        #expect(asked.dropFirst().prefix(3).allSatisfy { $0.contains("after=1&") && !$0.contains("since=") })
        #expect(asked.last?.contains("after=2&") == true)

        let early = try ScriptedServer([(503, problem)])
        let refused = try await Programs.run(
            "hcs", ["events", "--follow"], environment: ["HCS_SCHEDULER": early.url])
        #expect(refused.code != 0 && refused.error.contains("closing"), "one that never answered is not waited for")
    }
}

/// A socket on a port of 127.0.0.1.
private final class BoundPort: Sendable {
    let number: Int32
    let port: Int

    /// - Parameter port: 0 for any.
    init(_ port: Int) throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Cluster.Failure("no socket: errno \(errno)") }
        var yes: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        guard bound else {
            close(socket)
            throw Cluster.Failure("port \(port) cannot be bound: errno \(errno)")
        }
        number = socket
        self.port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(number) }
}

/// Answers each request with the next of its answers and closes the connection.
private final class ScriptedServer: Sendable {
    private let port: BoundPort
    private let kept = Mutex<[String]>([])

    init(_ answers: [(status: Int, body: Data)]) throws {
        port = try BoundPort(0)
        guard listen(port.number, 8) == 0 else { throw Cluster.Failure("cannot listen: errno \(errno)") }
        Thread.detachNewThread { [self] in
            for answer in answers where !serve(answer.status, answer.body) { return }
        }
    }

    var url: String { "http://127.0.0.1:\(port.port)" }
    /// First lines, in their order.
    var requests: [String] { kept.withLock { $0 } }

    private func serve(_ status: Int, _ body: Data) -> Bool {
        let connection = accept(port.number, nil, nil)
        guard connection >= 0 else { return false }
        defer { close(connection) }
        var request = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !request.contains("\r\n\r\n"), request.utf8.count < 1 << 16 {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { break }
            request += String(decoding: buffer[..<count], as: UTF8.self)
        }
        kept.withLock { $0.append(String(request.prefix { !$0.isNewline })) }
        let head = "HTTP/1.1 \(status) X\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        let bytes = Array(head.utf8) + Array(body)
        return send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }
}
