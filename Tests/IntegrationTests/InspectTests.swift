import Foundation
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@testable import hcs

@Suite("hcs inspect")
struct InspectTests {
    private func dynamic(_ change: (inout ELFImage) -> Void = { _ in }) -> ELFImage {
        var image = ELFImage(path: "/opt/train", kind: .dynamicProgram)
        image.machine = "x86-64"
        image.interpreter = "/lib64/ld-linux-x86-64.so.2"
        change(&image)
        return image
    }

    private func program(
        _ image: ELFImage, libraries: [ELFImage] = [], missing: [String] = []
    ) -> ProgramImage {
        var program = ProgramImage(requested: "./train", image: image)
        program.libraries = libraries.map {
            .init(name: $0.soname ?? $0.path, image: $0, neededBy: image.path)
        }
        program.missing = missing.map { .init(name: $0, neededBy: image.path) }
        return program
    }

    private func library(_ soname: String, _ change: (inout ELFImage) -> Void = { _ in }) -> ELFImage {
        var image = ELFImage(path: "/usr/lib/\(soname)", kind: .sharedLibrary)
        image.soname = soname
        change(&image)
        return image
    }

    @Test(
        "every vendor's runtime makes a quota that holds",
        arguments: [
            ("libcudart.so.12", Vendor.nvidia), ("libcuda.so.1", .nvidia), ("libcudart-9335f6a2.so.11.0", .nvidia),
            ("libascendcl.so", .ascend), ("libacl_rt.so", .ascend), ("libamdhip64.so.6", .hygon),
            ("libgalaxyhip.so.5", .hygon), ("libcnrt.so", .cambricon), ("libcndrv.so", .cambricon),
        ])
    func holds(name: String, vendor: Vendor) {
        for program in [program(dynamic(), libraries: [library(name)]), program(dynamic(), missing: [name])] {
            let inspection = Inspection(of: program)
            #expect(inspection.verdict == .holds)
            #expect(inspection.libraries.map(\.vendor) == [vendor])
            #expect(inspection.reasons.allSatisfy { !$0.detail.isEmpty && !$0.action.isEmpty })
        }
    }

    @Test("a name that only looks like a vendor's is none", arguments: ["libcudaxyz.so", "libcudart", "libcnrtx.so.1"])
    func lookalike(name: String) {
        #expect(RuntimeLibrary.of(name) == nil)
    }

    @Test("what keeps the preload library out breaks the quota")
    func breaks() {
        let changes: [(inout ELFImage) -> Void] = [
            { $0.kind = .staticProgram }, { $0.kind = .staticPIE }, { $0.interpreter = "/lib/ld-musl-x86_64.so.1" },
            { $0.interpreter = "/system/bin/linker64" }, { $0.isSetUser = true }, { $0.isSetGroup = true },
            { $0.hasCapabilities = true }, { $0.isNative = false }, { ($0.isNative, $0.is64Bit) = (false, false) },
            { ($0.kind, $0.go) = (.staticProgram, GoBuild(version: "go1.22.1", usesC: false)) },
        ]
        for change in changes {
            let inspection = Inspection(of: program(dynamic(change), libraries: [library("libcudart.so.12")]))
            #expect(inspection.verdict == .doesNotHold)
            #expect(inspection.reasons.map(\.weight) == [.breaks])
        }
    }

    @Test("ways past the preload library weaken it, in a vendor's own library they are its own")
    func weakens() {
        let opens: (inout ELFImage) -> Void = { $0.imports = [.init(name: "dlmopen", version: "GLIBC_2.3.4")] }
        let runtime = library("libcudart.so.12", opens)
        func verdict(_ program: ProgramImage) -> Inspection.Verdict { Inspection(of: program).verdict }
        #expect(verdict(program(dynamic(), libraries: [runtime])) == .holds)
        #expect(verdict(program(dynamic(opens), libraries: [runtime])) == .holdsInPart)
        #expect(verdict(program(dynamic(), libraries: [runtime, library("libx.so", opens)])) == .holdsInPart)
        #expect(
            verdict(program(dynamic { $0.needed = ["libhsa-runtime64.so.1"] }, missing: ["libhsa-runtime64.so.1"]))
                == .holdsInPart)
        let bound = library("libmine.so") { ($0.isSymbolic, $0.definitions) = (true, ["cuMemAlloc_v2"]) }
        #expect(verdict(program(dynamic(), libraries: [runtime, bound])) == .holdsInPart)
        #expect(verdict(program(dynamic { $0.interpreter = "/odd/loader" }, libraries: [runtime])) == .holdsInPart)
        #expect(verdict(program(dynamic { $0.definitions = ["cuMemAlloc_v2"] }, libraries: [runtime])) == .holdsInPart)
    }

    @Test("a CUDA runtime that is linked in is covered by the driver below it")
    func staticRuntime() {
        let words: Set<String> = ["libcuda.so", InspectionInterest.staticRuntime]
        let inspection = Inspection(
            of: program(
                dynamic {
                    $0.texts = words
                    $0.imports = [.init(name: "dlmopen"), .init(name: "dlopen")]
                }))
        #expect(inspection.verdict == .holds)
        #expect(inspection.opens == ["libcuda.so"])
        #expect(inspection.reasons.contains { $0.detail.contains("linked in statically") })
    }

    @Test("without a vendor's library nothing is promised, and dlopen is named")
    func unknown() {
        let plain = Inspection(of: program(dynamic()))
        #expect(plain.verdict == .noVendorLibrary && plain.title == "no vendor library seen")
        let opens = Inspection(of: program(dynamic { $0.imports = [.init(name: "dlopen")] }))
        #expect(opens.title == "no vendor library seen (may dlopen)")
        #expect(opens.reasons.contains { $0.detail.contains("RTLD_DEEPBIND") })
        let named = Inspection(of: program(dynamic { $0.texts = ["libcnrt.so"] }))
        #expect(named.verdict == .holds && named.opens == ["libcnrt.so"])
    }

    @Test("imports are listed with their versions, as far as the preload library answers them")
    func interfaces() {
        let image = dynamic {
            $0.imports = [.init(name: "cudaMalloc", version: "libcudart.so.12"), .init(name: "dlopen", version: "G")]
        }
        #expect(Inspection(of: program(image)).interfaces == ["cudaMalloc@libcudart.so.12"])
        #expect(InspectionInterest.hooks.isSuperset(of: ["cudaMalloc", "cuMemAlloc_v2", "aclrtMalloc", "hipMalloc"]))
        #expect(InspectionInterest.hooks.contains("cnrtMalloc"))
    }

    @Test("the exit code says whether it holds, and 66 and 64 that the question was wrong")
    func exitCodes() async throws {
        let fine = try await Programs.run("hcs", ["inspect", "/bin/ls", "--output", "json"])
        #expect(fine.code == 0)
        let report = try JSONDecoder().decode(InspectCommand.Report.self, from: Data(fine.output.utf8))
        #expect(report.programs.map(\.program) == ["/bin/ls"])
        let directory = try TemporaryDirectory()
        let copy = directory.file("copy")
        try FileManager.default.copyItem(atPath: "/bin/ls", toPath: copy)
        chmod(copy, 0o4755)
        let broken = try await Programs.run("hcs", ["inspect", "/bin/ls", copy])
        #expect(broken.code == 1 && broken.output.contains("\(copy): does not hold"))
        let text = try directory.write("text", to: "text")
        for path in [text, "/nonexistent/program", directory.path] {
            let bad = try await Programs.run("hcs", ["inspect", path, "/bin/ls"])
            #expect(bad.code == 66 && bad.error.contains(path) && bad.output.contains("/bin/ls: "))
        }
        #expect(try await Programs.run("hcs", ["inspect"]).code == 64)
        let script = try directory.write("#!/bin/ls\n", to: "script\u{1B}[31m")
        let shown = try await Programs.run("hcs", ["inspect", script])
        #expect(shown.code == 0 && !shown.output.contains("\u{1B}"))
    }
}
