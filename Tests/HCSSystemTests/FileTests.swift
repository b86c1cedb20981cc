import Glibc
import HCSModel
import HCSTestSupport
import Testing

@testable import HCSSystem

@Suite struct FileTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    @Test func `a file is replaced whole, with its exact mode and nothing left beside it`() throws {
        let path = directory.file("state.json")
        try AtomicFile.write("old", to: path, mode: 0o644)
        try AtomicFile.write("new and longer", to: path)
        #expect(try SmallFile.text(path) == "new and longer")
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o600)
        #expect(try SmallFile.names(in: directory.path) == ["state.json"])
    }

    @Test func `a write that fails leaves the old file and no other`() throws {
        mkdir(directory.file("target"), 0o755)
        try directory.write("x", to: "target/inside")
        #expect(throws: SystemError.self) { try AtomicFile.write("new", to: directory.file("target")) }
        #expect(try SmallFile.names(in: directory.path) == ["target"])
        #expect(throws: SystemError.self) { try AtomicFile.write("new", to: directory.file("absent/file")) }
    }

    @Test func `a directory of our own is made with what is missing above it, with its exact mode`() throws {
        try OwnDirectory.make(directory.file("a/b/c"), mode: 0o711)
        try OwnDirectory.make(directory.file("a/b/c"), mode: 0o700)
        for name in ["a", "a/b", "a/b/c"] { #expect(try mode(directory.file(name)) == 0o711) }
        try directory.write("x", to: "file")
        #expect(throws: SystemError.self) { try OwnDirectory.make(directory.file("file/below")) }
        #expect(throws: SystemError.self) { try OwnDirectory.make(directory.file("file")) }
    }

    @Test func `where anybody may write, a directory that somebody else could have made is refused`() throws {
        mkdir(directory.file("open"), 0o700)
        chmod(directory.file("open"), 0o1777)
        mkdir(directory.file("open/theirs"), 0o700)
        chmod(directory.file("open/theirs"), 0o777)
        for path in ["open/theirs", "open/theirs/hcs"] {
            let error = #expect(throws: SystemError.self) { try OwnDirectory.make(directory.file(path)) }
            #expect(error?.code == .permission && error?.message.contains("open/theirs lies where anybody") == true)
        }
        try OwnDirectory.make(directory.file("open/ours/hcs"))
        try OwnDirectory.make(directory.file("open/ours/hcs"))
        if geteuid() == 0 {
            chown(directory.file("open/ours"), 65534, 65534)
            #expect(throws: SystemError.self) { try OwnDirectory.make(directory.file("open/ours/hcs")) }
            symlink("/etc", directory.file("open/link"))
            lchown(directory.file("open/link"), 65534, 65534)
            #expect(throws: SystemError.self) { try OwnDirectory.make(directory.file("open/link")) }
        }
    }

    private func mode(_ path: String) throws -> UInt32 {
        var status = stat()
        try #require(stat(path, &status) == 0)
        return status.st_mode & 0o7777
    }

    @Test func `a file larger than the limit is refused, one of the limit is read`() throws {
        let path = try directory.write(String(repeating: "x", count: 100), to: "f")
        #expect(try SmallFile.read(path, limit: 100).count == 100)
        let error = #expect(throws: SystemError.self) { _ = try SmallFile.read(path, limit: 99) }
        #expect(error?.code == .tooLarge)
    }

    @Test func `errors say what was attempted, on what`() {
        let error = #expect(throws: SystemError.self) { _ = try SmallFile.read("/nonexistent/x") }
        #expect(
            error == SystemError(.notFound, "could not open /nonexistent/x: No such file or directory", errno: ENOENT))
    }

    @Test func `a FIFO does not block the reader`() throws {
        mkfifo(directory.file("fifo"), 0o600)
        #expect(try SmallFile.read(directory.file("fifo")).isEmpty)
    }
}

@Suite struct ProcessSpawnerTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    func output(of spawner: ProcessSpawner, extra: [Int32] = []) throws -> String {
        let path = directory.file("out")
        let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_TRUNC, mode: 0o600)
        let child = try spawner.spawn(output: file.number, extra: extra)
        let status = try child.wait(milliseconds: 20_000)
        #expect(status?.code == 0)
        return try SmallFile.text(path)
    }

    @Test func `a child has the environment, arguments and directory it was given and no others`() throws {
        setenv("HCS_TEST_LEAK", "1", 1)
        let spawner = ProcessSpawner(
            path: "/bin/sh",
            arguments: ["-c", "pwd; /usr/bin/env | grep -v -e ^PWD -e ^_ -e ^SHLVL | sort; echo $0:$1", "zero", "a b"],
            environment: ["B": "2 x", "A": "1"], directory: "/usr")
        #expect(try output(of: spawner) == "/usr\nA=1\nB=2 x\nzero:a b\n")
    }

    @Test func `a child has only the descriptors it was given, whatever else is open`() throws {
        // Without close-on-exec, as a careless library would leave it.
        let leak = Glibc.open("/dev/zero", O_RDONLY)
        defer { close(leak) }
        let given = try Descriptor.open(try directory.write("given", to: "given"), O_RDONLY)
        let text = try output(
            of: ProcessSpawner(path: "/bin/sh", arguments: ["-c", "/bin/ls /proc/$$/fd; cat <&3"]),
            extra: [given.number])
        #expect(text == "0\n1\n2\n3\ngiven")
    }

    @Test func `descriptors keep their order when their numbers overlap the targets`() throws {
        let a = try Descriptor.open(try directory.write("A", to: "a"), O_RDONLY)
        let b = try Descriptor.open(try directory.write("B", to: "b"), O_RDONLY)
        let text = try output(
            of: ProcessSpawner(path: "/bin/sh", arguments: ["-c", "cat <&3; cat <&4; cat <&5"]),
            extra: [b.number, a.number, b.number])
        #expect(text == "BA")  // the third shares b's offset, at its end
    }

    @Test func `ends are told as code or signal, and a child is in a session of its own`() throws {
        let failing = try ProcessSpawner(path: "/bin/sh", arguments: ["-c", "exit 7"]).spawn()
        #expect(try failing.wait(milliseconds: 20_000)?.code == 7)
        let sleeping = try ProcessSpawner(path: "/bin/sleep", arguments: ["60"]).spawn()
        #expect(getsid(sleeping.pid) == sleeping.pid)
        #expect(try sleeping.poll() == nil)
        #expect(try sleeping.wait(milliseconds: 0) == nil)
        let startTime = try Procfs().stat(of: sleeping.pid).startTime
        if try ProcessHandle.open(pid: sleeping.pid, startTime: startTime + 1) != nil {
            Issue.record("another process's start time")
        }
        if let handle = try ProcessHandle.open(pid: sleeping.pid, startTime: startTime) {
            try handle.signal(SIGTERM)
        } else {
            Issue.record("the process lives")
        }
        #expect(try sleeping.wait(milliseconds: 20_000)?.signal == SIGTERM)
        try sleeping.signal(SIGKILL)  // ended: no error
    }

    @Test func `blocked and ignored signals are not inherited`() throws {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &set, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let child = try ProcessSpawner(path: "/bin/sleep", arguments: ["60"]).spawn()
        try child.signal(SIGTERM)
        #expect(try child.wait(milliseconds: 20_000)?.signal == SIGTERM)
    }

    @Test func `a program that cannot be started is an error at once`() throws {
        let absent = #expect(throws: SystemError.self) { _ = try ProcessSpawner(path: "/nonexistent/program").spawn() }
        #expect(absent?.code == .notFound)
        #expect(throws: SystemError.self) { _ = try ProcessSpawner(path: "/etc/passwd").spawn() }
        #expect(throws: SystemError.self) { _ = try ProcessSpawner(path: "/bin/true", arguments: ["a\0b"]).spawn() }
        let many = [Int32](repeating: 0, count: 14)
        #expect(throws: SystemError.self) { _ = try ProcessSpawner(path: "/bin/true").spawn(extra: many) }
    }

    @Test func `who is at the other end of a socket is known`() throws {
        var pair: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        defer { for number in pair { close(number) } }
        #expect(
            try PeerCredentials.of(socket: pair[0]) == PeerCredentials(pid: getpid(), uid: geteuid(), gid: getegid()))
        #expect(throws: SystemError.self) { _ = try PeerCredentials.of(socket: -1) }
    }
}
