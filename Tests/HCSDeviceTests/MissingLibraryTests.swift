import Foundation
import HCSDevice
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

/// A library that is not there costs no process until one of the places where it could be has changed.
@Suite(.timeLimit(.minutes(5))) struct MissingLibraryTests {
    private let directory: TemporaryDirectory
    private let libraries: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        libraries = try TemporaryDirectory()
    }

    /// Its worker notes each start and has the code `answer` for every question.
    private func manager(answer code: String, trust: Duration = .seconds(600)) throws -> DeviceManager {
        let worker = try directory.writeProgram(
            """
            #!/bin/sh
            echo start >>\(directory.file("starts"))
            while read number what <&3; do
                printf '{"id":%s,"error":{"code":"\(code)","message":"none"}}\\n' $number >&3
            done

            """, to: "worker.sh")
        let source = VendorSource(
            vendor: .nvidia, kind: .simulated(libraryDirectory: libraries.path, stateFile: "/nonexistent"))
        return DeviceManager(
            sources: [source], executable: worker,
            timing: WorkerTiming(call: .seconds(30), absentRetry: .zero, missingTrust: trust))
    }

    private var starts: Int {
        (try? String(contentsOfFile: directory.file("starts"), encoding: .utf8))?.split(separator: "\n").count ?? 0
    }

    /// Polls that are far more than one worker needs.
    private func poll(_ manager: DeviceManager) async {
        for _ in 0..<10 { _ = await manager.sample() }
    }

    @Test func `it is looked for once, and again when its place changed`() async throws {
        let manager = try manager(answer: "libraryMissing")
        await poll(manager)
        #expect(starts == 1)
        #expect(await manager.statuses.first?.state == .absent)
        try libraries.write("x", to: "libnvidia-ml.so.1")
        await poll(manager)
        #expect(starts == 2)
        await manager.stop()
    }

    @Test func `it is looked for anyway after a time`() async throws {
        let manager = try manager(answer: "libraryMissing", trust: .zero)
        await poll(manager)
        #expect(starts >= 2)
        await manager.stop()
    }

    @Test func `one that is there and does not start is tried again without a change`() async throws {
        let manager = try manager(answer: "initFailed")
        await poll(manager)
        #expect(starts >= 2)
        await manager.stop()
    }

    @Test func `a trace tells files that came, went and were replaced, and places that came`() throws {
        let place = libraries.file("later")
        func trace() -> DirectoryTrace { DirectoryTrace(of: [libraries.path, place]) }
        var last = trace()
        func changed() -> Bool {
            defer { last = trace() }
            return trace() != last
        }
        /// The kernel's clock for files stands still for some milliseconds.
        func after(_ change: () throws -> Void) rethrows {
            usleep(20_000)
            try change()
        }
        #expect(!changed())
        try after { try libraries.write("x", to: "later/a") }
        #expect(changed() && !changed())
        try after { try AtomicFile.write(Array("y".utf8), to: libraries.file("later/a")) }
        #expect(changed() && !changed())
        after { unlink(libraries.file("later/a")) }
        #expect(changed() && !changed())
    }

    @Test(arguments: Vendor.allCases)
    func `the places of a vendor are absolute`(vendor: Vendor) throws {
        let places = try #require(VendorRegistry.backends[vendor]).directories
        #expect(!places.isEmpty && places.allSatisfy { $0.hasPrefix("/") && !$0.hasSuffix("/") })
        #expect(LoaderSearch(libraryPath: "/opt/x:/opt/y").places.prefix(2) == ["/opt/x", "/opt/y"])
        #expect(LoaderSearch(libraryPath: nil).places.contains("/etc/ld.so.cache"))
    }
}
