import Glibc
import HCSModel
import HCSTestSupport
import Testing

@testable import HCSSystem

/// Builds tiny programs with the C compiler in a directory of its own.
struct TinyPrograms {
    static let compiler = "/usr/bin/cc"
    static let plain = "int main(void) { return 0; }\n"
    /// Calls a function of a vendor's runtime.
    static let client = "int cudaMalloc(void **, unsigned long); int main(void) { return cudaMalloc(0, 1); }\n"
    static let runtime = "int cudaMalloc(void **p, unsigned long n) { (void)p; (void)n; return 0; }\n"

    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    /// - Returns: the path of what was built.
    @discardableResult
    func build(_ name: String, _ source: String = plain, _ flags: [String] = []) throws -> String {
        let path = directory.file(name)
        let input = try directory.write(source, to: "source/\(name).c")
        let log = try Descriptor.open(directory.file("cc.log"), O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        let child = try ProcessSpawner(
            path: Self.compiler, arguments: ["-o", path, input] + flags,
            environment: ["PATH": "/usr/bin:/bin", "TMPDIR": directory.path], directory: directory.path
        ).spawn(output: log.number, error: log.number)
        let status = try child.wait(milliseconds: 60_000)
        let words = (try? SmallFile.text(directory.file("cc.log"))) ?? ""
        try #require(status?.code == 0, "cc \(flags): \(words)")
        return path
    }

    /// `libcudart.so.12` in a folder, with its version node as the real one has it.
    func buildRuntime(in folder: String, _ flags: [String] = []) throws -> String {
        try directory.write("libcudart.so.12 { global: cudaMalloc; local: *; };\n", to: "\(folder)/map")
        return try build(
            "\(folder)/libcudart.so.12", Self.runtime,
            [
                "-shared", "-fPIC", "-Wl,-soname,libcudart.so.12",
                "-Wl,--version-script,\(directory.file("\(folder)/map"))",
            ] + flags)
    }

    func program(
        _ path: String, libraryPath: String? = nil, commandPath: String = "/usr/bin:/bin",
        _ interest: ELFInterest = interest
    ) throws -> ProgramImage {
        try ProgramImage(
            reading: path, search: LoaderSearch(libraryPath: libraryPath), commandPath: commandPath, interest)
    }

    static let interest = ELFInterest(
        symbols: ["cudaMalloc", "dlopen", "dlmopen"], sections: [".nv_fatbin"], texts: ["a text of the test"])
}

@Suite(.enabled(if: access(TinyPrograms.compiler, X_OK) == 0, "skipped, because there is no C compiler"))
struct ELFFileTests {
    let tiny: TinyPrograms
    init() throws { tiny = try TinyPrograms() }

    // MARK: Kinds of programs

    @Test(
        arguments: [
            (["-no-pie"], ELFImage.Kind.dynamicProgram), (["-pie", "-fPIE"], .dynamicProgram),
            (["-static", "-no-pie"], .staticProgram), (["-static-pie", "-fPIE"], .staticPIE),
            (["-shared", "-fPIC"], .sharedLibrary),
        ])
    func `a program is dynamic or static, whether position independent or not`(
        flags: [String], kind: ELFImage.Kind
    ) throws {
        let image = try ELFImage(reading: try tiny.build("p", TinyPrograms.plain, flags))
        #expect(image.kind == kind)
        #expect(image.isNative && image.is64Bit)
        #expect((image.interpreter != nil) == (kind == .dynamicProgram))
        #expect(image.loader == (kind == .dynamicProgram ? .glibc : nil))
        #expect(image.needed == (kind == .dynamicProgram ? ["libc.so.6"] : []))
        #expect(image.go == nil && !image.isSetUser && !image.isSetGroup && !image.hasCapabilities)
    }

    @Test(
        arguments: [
            ("/lib/ld-musl-x86_64.so.1", ELFImage.Loader.musl), ("/system/bin/linker64", .android),
            ("/opt/odd/loader", .unknown), ("/lib64/ld-linux-x86-64.so.2", .glibc),
        ])
    func `the loader is known by its name`(path: String, loader: ELFImage.Loader) throws {
        let image = try ELFImage(
            reading: try tiny.build("p", TinyPrograms.plain, ["-Wl,--dynamic-linker=\(path)"]))
        #expect(image.interpreter == path)
        #expect(image.loader == loader)
    }

    @Test func `setuid, setgid and file capabilities are seen, mandatory locking is none of them`() throws {
        let path = try tiny.build("p")
        chmod(path, 0o4755)
        #expect(try ELFImage(reading: path).isSetUser)
        chmod(path, 0o2755)
        #expect(try ELFImage(reading: path).isSetGroup)
        chmod(path, 0o2745)
        let image = try ELFImage(reading: path)
        #expect(!image.isSetGroup && !image.isSetUser && !image.hasCapabilities)
        #expect(try !tiny.program(path).isSecure)
    }

    @Test(.enabled(if: access("/usr/sbin/setcap", X_OK) == 0 && geteuid() == 0, "skipped, because setcap needs root"))
    func `a file with capabilities makes secure execution`() throws {
        let path = try tiny.build("p")
        let child = try ProcessSpawner(path: "/usr/sbin/setcap", arguments: ["cap_net_raw+ep", path]).spawn()
        guard try child.wait(milliseconds: 20_000)?.code == 0 else { return }  // the file system has none
        #expect(try tiny.program(path).isSecure)
    }

    // MARK: Symbols and dependencies

    @Test func `an import has its version, and a library is found by DT_RPATH with $ORIGIN`() throws {
        let library = try tiny.buildRuntime(in: "lib")
        let path = try tiny.build(
            "client", TinyPrograms.client,
            [library, "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/nowhere:${ORIGIN}/lib"])
        let program = try tiny.program(path)
        #expect(program.image.rpath == "$ORIGIN/nowhere:${ORIGIN}/lib")
        #expect(program.image.runpath == nil)
        #expect(program.image.imports == [.init(name: "cudaMalloc", version: "libcudart.so.12")])
        #expect(program.image.imports.first?.description == "cudaMalloc@libcudart.so.12")
        let found = try #require(program.libraries.first { $0.name == "libcudart.so.12" })
        #expect(found.image.path == library)
        #expect(found.image.definitions == ["cudaMalloc"])
        #expect(program.missing.isEmpty && program.incomplete == nil)
    }

    @Test func `the rpath of a program serves the libraries of its libraries, its runpath does not`() throws {
        let runtime = try tiny.buildRuntime(in: "lib")
        let middle = try tiny.build(
            "lib/libmiddle.so", TinyPrograms.client.replacing("main", with: "middle"),
            ["-shared", "-fPIC", "-Wl,-soname,libmiddle.so", runtime])
        let source = "int middle(void); int main(void) { return middle(); }\n"
        let unresolved = "-Wl,--unresolved-symbols=ignore-in-shared-libs"
        let rpath = try tiny.build(
            "rpath", source, [middle, unresolved, "-Wl,--disable-new-dtags,-rpath,$ORIGIN/lib"])
        let runpath = try tiny.build(
            "runpath", source, [middle, unresolved, "-Wl,--enable-new-dtags,-rpath,$ORIGIN/lib"])
        let old = try tiny.program(rpath)
        #expect(old.libraries.map(\.name).contains("libcudart.so.12"))
        #expect(old.libraries.first { $0.name == "libcudart.so.12" }?.neededBy == middle)
        let new = try tiny.program(runpath)
        #expect(new.missing == [.init(name: "libcudart.so.12", neededBy: middle)])
        let helped = try tiny.program(runpath, libraryPath: tiny.directory.file("lib"))
        #expect(helped.missing.isEmpty)
    }

    @Test func `LD_LIBRARY_PATH goes before a runpath, behind an rpath, and counts not in secure execution`() throws {
        let near = try tiny.buildRuntime(in: "near")
        let far = try tiny.buildRuntime(in: "far")
        func found(_ tags: String, mode: UInt32 = 0o755) throws -> String? {
            let path = try tiny.build(
                "p", TinyPrograms.client, [near, "-Wl,--\(tags)-new-dtags,-rpath,$ORIGIN/near"])
            chmod(path, mode)
            return try tiny.program(path, libraryPath: tiny.directory.file("far")).libraries
                .first { $0.name == "libcudart.so.12" }?.image.path
        }
        #expect(try found("enable") == far)
        #expect(try found("disable") == near)
        #expect(try found("enable", mode: 0o4755) == near)
    }

    @Test func `a library of another machine is passed over, one that is nowhere is named`() throws {
        let runtime = try tiny.buildRuntime(in: "good")
        let path = try tiny.build("p", TinyPrograms.client, [runtime])
        var bytes = try SmallFile.read(runtime)
        bytes[18] ^= 0x55
        mkdir(tiny.directory.file("bad"), 0o755)
        try AtomicFile.write(bytes, to: tiny.directory.file("bad/libcudart.so.12"), mode: 0o755)
        let paths = [tiny.directory.file("bad"), tiny.directory.file("good")]
        let program = try tiny.program(path, libraryPath: paths.joined(separator: ":"))
        #expect(program.libraries.first { $0.name == "libcudart.so.12" }?.image.path == runtime)
        #expect(try tiny.program(path, libraryPath: paths[0]).missing.map(\.name) == ["libcudart.so.12"])
    }

    @Test func `directories come from ld.so.conf and what it includes`() throws {
        let root = try TemporaryDirectory()
        try root.write("include ld.so.conf.d/*.conf\n/last # comment\nhwcap 1 nosegneg\n", to: "etc/ld.so.conf")
        try root.write("/from/a\n", to: "etc/ld.so.conf.d/a.conf")
        try root.write("include /etc/ld.so.conf\n/from/b\n", to: "etc/ld.so.conf.d/b.conf")
        try root.write("/never\n", to: "etc/ld.so.conf.d/c.txt")
        let search = LoaderSearch(libraryPath: nil, root: HostRoot(root.path))
        let image = ELFImage(path: "/bin/p", kind: .dynamicProgram)
        let paths = search.candidates(for: "libx.so", requester: .init(image: image), isSecure: false)
        let own = paths.filter { $0.contains("/from/") || $0.contains("/last/") }
        #expect(Set(own) == Set(["/from/a", "/from/b", "/last"].map { "\(root.path)\($0)/libx.so" }))
        #expect(own.count == 3 && !paths.contains { $0.contains("never") })
    }

    @Test func `-Bsymbolic, dlopen, dlmopen, sections and texts are seen, also without section headers`() throws {
        let source = """
            #define _GNU_SOURCE
            #include <dlfcn.h>
            __attribute__((section(".nv_fatbin"), used)) static const char blob[] = "x";
            const char *volatile text = "this is a text of the test";
            int cudaMalloc(void **p, unsigned long n) { (void)p; return (int)n; }
            int use(void) { return dlopen("x", RTLD_NOW | RTLD_DEEPBIND) && dlmopen(LM_ID_NEWLM, text, RTLD_NOW); }
            """
        let path = try tiny.build("lib.so", source, ["-shared", "-fPIC", "-Wl,-Bsymbolic"])
        let image = try ELFImage(reading: path, TinyPrograms.interest)
        #expect(image.isSymbolic)
        #expect(image.imports("dlopen") && image.imports("dlmopen"))
        #expect(image.definitions == ["cudaMalloc"])
        #expect(image.sections == [".nv_fatbin"])
        #expect(image.texts == ["a text of the test"])
        var bytes = try SmallFile.read(path)
        for index in [40, 41, 42, 43, 44, 45, 46, 47, 60, 61, 62, 63] { bytes[index] = 0 }
        try AtomicFile.write(bytes, to: path, mode: 0o755)
        let stripped = try ELFImage(reading: path, TinyPrograms.interest)
        #expect(stripped.imports == image.imports && stripped.definitions == image.definitions)
        #expect(stripped.sections.isEmpty && stripped.isSymbolic)
    }

    @Test func `symbols are counted by either hash table`() throws {
        for style in ["gnu", "sysv", "both"] {
            let path = try tiny.buildRuntime(in: style, ["-Wl,--hash-style=\(style)"])
            #expect(try ELFImage(reading: path, TinyPrograms.interest).definitions == ["cudaMalloc"], "\(style)")
        }
    }

    @Test func `libraries that need each other end the search`() throws {
        let first = try tiny.build("libone.so", "int one(void) { return 1; }\n", ["-shared", "-fPIC"])
        try tiny.build("libtwo.so", "int two(void) { return 2; }\n", ["-shared", "-fPIC", "-Wl,--no-as-needed", first])
        try tiny.build(
            "libone.so", "int one(void) { return 1; }\n",
            ["-shared", "-fPIC", "-Wl,--no-as-needed", tiny.directory.file("libtwo.so")])
        let program = try tiny.program(first)
        #expect(program.libraries.count <= 4 && program.incomplete == nil)
    }

    @Test(arguments: ["/bin/ls", "/bin/bash", "/usr/bin/cc", "/proc/self/exe"])
    func `the libraries of a real program are those that the loader itself lists`(path: String) throws {
        let program = try tiny.program(path, libraryPath: getenv("LD_LIBRARY_PATH").map { String(cString: $0) })
        let loader = try #require(program.image.interpreter)
        let list = tiny.directory.file("list")
        let output = try Descriptor.open(list, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        let environment = getenv("LD_LIBRARY_PATH").map { ["LD_LIBRARY_PATH": String(cString: $0)] } ?? [:]
        let child = try ProcessSpawner(
            path: loader, arguments: ["--list", program.image.path], environment: environment
        ).spawn(output: output.number)
        try #require(try child.wait(milliseconds: 60_000)?.code == 0)
        // `	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f…)`; the loader itself and the vDSO have no arrow.
        let listed = try SmallFile.text(list).split(separator: "\n").compactMap { line -> String? in
            let words = line.split(whereSeparator: \.isWhitespace)
            return words.count > 2 && words[1] == "=>" ? "\(words[0]) \(file(String(words[2])))" : nil
        }
        let found = program.libraries.map { "\($0.name) \(file($0.image.path))" }
        #expect(Set(found).subtracting(listed) == [])
        #expect(Set(listed).subtracting(found).allSatisfy { $0.hasPrefix("ld-linux") || $0.hasPrefix("/") })
        #expect(program.missing.isEmpty)
    }

    /// Device and inode: the loader's cache has other names for a file than its directories.
    private func file(_ path: String) -> String {
        var status = stat()
        return stat(path, &status) == 0 ? "\(status.st_dev):\(status.st_ino)" : path
    }

    // MARK: Go

    @Test(arguments: [("CGO_ENABLED=1", true), ("CGO_ENABLED=0", false), ("", nil)] as [(String, Bool?)])
    func `a Go program tells its version and whether C is in it`(setting: String, usesC: Bool?) throws {
        let version = "go1.22.1"
        let module = "path\tx\nbuild\t\(setting)\n"
        let bytes =
            [0xFF] + Array(" Go buildinf:".utf8) + [8, 2] + [UInt8](repeating: 0, count: 16)
            + [UInt8(version.utf8.count)] + Array(version.utf8) + [UInt8(module.utf8.count)] + Array(module.utf8)
        let list = bytes.map { "\($0)" }.joined(separator: ",")
        let source = """
            __attribute__((section(".go.buildinfo"), used, aligned(16))) static unsigned char info[] = {\(list)};
            int main(void) { return 0; }
            """
        let path = try tiny.build("go", source, ["-static"])
        #expect(try ELFImage(reading: path).go == GoBuild(version: version, usesC: usesC))
    }

    @Test func `a Go note alone makes a Go program of unknown version`() throws {
        let source = """
            __attribute__((section(".note.go.buildid"), used, aligned(4))) static const struct {
                unsigned name, content, type; char words[4]; char id[8];
            } note = {4, 8, 4, "Go\\0", "abc/def"};
            int main(void) { return 0; }
            """
        #expect(try ELFImage(reading: try tiny.build("go", source)).go == GoBuild())
    }

    @Test func `build information that lies about its lengths is cut short`() {
        let head = [0xFF] + Array(" Go buildinf:".utf8) + [8, 2] + [UInt8](repeating: 0, count: 16)
        #expect(ELFFile.goBuild(ByteView(head)) == GoBuild())
        #expect(ELFFile.goBuild(ByteView(head + [200, 1, 0x67])) == GoBuild())
        #expect(ELFFile.goBuild(ByteView(head + [UInt8](repeating: 0xFF, count: 40))) == GoBuild())
        #expect(ELFFile.goBuild(ByteView([])) == GoBuild())
    }

    // MARK: Scripts

    @Test func `a script leads to its interpreter, and through env to the command`() throws {
        let program = try tiny.build("tool")
        let plain = try tiny.directory.write("#! \(program) -x\nrest\n", to: "plain")
        let nested = try tiny.directory.write("#!\(plain)\n", to: "nested")
        let env = try tiny.directory.write("#!/usr/bin/env tool\n", to: "env-script")
        let split = try tiny.directory.write("#!/usr/bin/env -S A=b tool -u\n", to: "split")
        func read(_ path: String) throws -> ProgramImage {
            try tiny.program(path, commandPath: "/nonexistent:\(tiny.directory.path)")
        }
        #expect(try read(plain).scripts == [plain])
        #expect(try read(nested).scripts == [nested, plain])
        #expect(try read(env).scripts == [env, "/usr/bin/env"])
        for script in [plain, nested, split] { #expect(try read(script).image.path == program) }
        let lost = try tiny.directory.write("#!/usr/bin/env nosuchtool\n", to: "lost")
        #expect(try #require(throws: SystemError.self) { try read(lost) }.code == .notFound)
        let loop = tiny.directory.file("loop")
        try tiny.directory.write("#!\(loop)\n", to: "loop")
        #expect(try #require(throws: SystemError.self) { try read(loop) }.code == .invalid)
        let empty = try tiny.directory.write("#! \n", to: "empty")
        #expect(try #require(throws: SystemError.self) { try read(empty) }.code == .invalid)
    }

    // MARK: What is no program

    @Test func `what is no ELF program is an error that says so`() throws {
        let object = try tiny.build("p.o", TinyPrograms.plain, ["-c"])
        mkfifo(tiny.directory.file("fifo"), 0o600)
        let paths = [
            try tiny.directory.write("plain text\n", to: "text"), try tiny.directory.write("", to: "empty"),
            try tiny.directory.write("!<arch>\n", to: "archive"), object, tiny.directory.path,
            tiny.directory.file("fifo"), "/dev/zero",
        ]
        for path in paths {
            let error = try #require(throws: SystemError.self, "\(path)") { try tiny.program(path) }
            #expect(error.code == .invalid && error.message.contains(path))
        }
        #expect(try #require(throws: SystemError.self) { try tiny.program("/nonexistent/p") }.code == .notFound)
    }

    @Test func `32-bit files and those of other machines are told apart and not read further`() throws {
        let path = try tiny.build("p")
        let bytes = try SmallFile.read(path)
        func changed(_ change: (inout [UInt8]) -> Void) throws -> ELFImage {
            var copy = bytes
            change(&copy)
            try AtomicFile.write(copy, to: path, mode: 0o755)
            return try ELFImage(reading: path)
        }
        let other = try changed { ($0[18], $0[19]) = (243, 0) }
        #expect(!other.isNative && other.machine == "RISC-V" && other.needed.isEmpty)
        #expect(try !changed { $0[4] = 1 }.is64Bit)
        let big = try changed { ($0[5], $0[16], $0[17], $0[18], $0[19]) = (2, 0, 3, 0, 22) }
        #expect(!big.isNative && big.machine == "S/390")
    }

    @Test func `a file of a terabyte and one that hides its section count are read in no time`() throws {
        let path = try tiny.build("p")
        let expected = try ELFImage(reading: path)
        try #require(truncate(path, 1 << 40) == 0)
        #expect(try ELFImage(reading: path) == expected)
        var bytes = [UInt8](repeating: 0, count: 64)
        let file = try Descriptor.open(path, O_RDWR)
        #expect(pread(file.number, &bytes, 64, 0) == 64)
        (bytes[60], bytes[61]) = (0, 0)
        #expect(pwrite(file.number, bytes, 64, 0) == 64)
        #expect(try #require(throws: SystemError.self) { try ELFImage(reading: path) }.code == .invalid)
    }

    @Test func `a program cut at any size is refused or lacks only what is not loaded`() throws {
        let path = try small()
        let bytes = try SmallFile.read(path)
        let whole = try ELFImage(reading: path, TinyPrograms.interest)
        let cut = tiny.directory.file("cut")
        try AtomicFile.write(bytes, to: cut, mode: 0o755)
        var (refused, accepted) = (0, 0)
        for size in stride(from: bytes.count - 1, through: 0, by: -1) {
            try #require(truncate(cut, off_t(size)) == 0)
            do throws(SystemError) {
                let image = try ELFImage(reading: cut, TinyPrograms.interest)
                #expect(image.kind == whole.kind && image.needed == whole.needed && image.imports == whole.imports)
                accepted += 1
            } catch {
                #expect(error.code == .invalid)
                refused += 1
            }
        }
        #expect(refused > 0 && accepted > 0 && refused + accepted == bytes.count)
    }

    @Test func `2 000 random changes of a program crash nothing and need no more than a moment`() throws {
        let bytes = try SmallFile.read(try small())
        let path = tiny.directory.file("mutant")
        var generator = SplitMix64(state: 0x5eed)
        // Headers and tables stand at the start and at the end; most of the rest is code.
        let heads = [0..<1024, bytes.count - 2048..<bytes.count, 0..<bytes.count]
        let clock = ContinuousClock()
        var slowest = Duration.zero
        for round in 0..<2000 {
            var mutant = bytes
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                let place = Int.random(in: heads[round % 3], using: &generator)
                let values: [UInt8] = [0, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &generator)]
                let width = Bool.random(using: &generator) ? 1 : 8
                for index in place..<min(place + width, mutant.count) {
                    mutant[index] = values[Int.random(in: 0..<values.count, using: &generator)]
                }
            }
            try AtomicFile.write(mutant, to: path, mode: 0o755)
            slowest = max(
                slowest,
                clock.measure { _ = try? tiny.program(path, TinyPrograms.interest) })
        }
        #expect(slowest < .seconds(5), "\(slowest)")
    }

    /// With all tables and few bytes.
    private func small() throws -> String {
        let runtime = try tiny.buildRuntime(in: "lib", ["-nostdlib"])
        let source = """
            int cudaMalloc(void **, unsigned long);
            void _start(void) { cudaMalloc(0, 1); for (;;) ; }
            """
        let flags = ["-nostdlib", "-s", "-Wl,-z,noseparate-code", "-Wl,--hash-style=gnu"]
        return try tiny.build("small", source, [runtime, "-Wl,-rpath,$ORIGIN/lib"] + flags)
    }
}
