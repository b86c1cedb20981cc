import HCSModel
import HCSSystem

/// What can be said of a program before it runs: whether the preload library will be in it, and will see what it
/// allocates. A pure function of what was read.
struct Inspection: Codable, Equatable {
    enum Verdict: String, Codable {
        case holds
        case holdsInPart = "holds-in-part"
        case doesNotHold = "does-not-hold"
        case noVendorLibrary = "no-vendor-library"
    }

    struct Reason: Codable, Equatable {
        enum Weight: String, Codable {
            /// The quota does not hold because of it.
            case breaks
            /// There is a way past the quota that cannot be excluded.
            case weakens
            case note
        }
        var weight: Weight
        var detail: String
        /// What to do.
        var action: String
    }

    struct Library: Codable, Equatable {
        var name: String
        var vendor: Vendor
        /// nil where it was not found on this host.
        var path: String?
        var neededBy: String
    }

    struct GoProgram: Codable, Equatable {
        var version: String?
        var cgo: Bool?
    }

    /// As it was given.
    var program: String
    /// The file that is run in the end: the interpreter of a script.
    var executable: String
    var scripts: [String]
    var verdict: Verdict
    var reasons: [Reason]
    var kind: ELFImage.Kind
    var machine: String
    var interpreter: String?
    var rpath: String?
    var runpath: String?
    var go: GoProgram?
    /// Runtime libraries that are loaded at the start.
    var libraries: [Library]
    /// Runtime libraries whose names stand in the program or in what it loads: opened by name, as a rule.
    var opens: [String]
    /// Names of the vendors' interfaces that the program itself imports and the preload library answers.
    var interfaces: [String]
    var opensLibraries: Bool

    /// `no vendor library seen (may dlopen)` and the like.
    var title: String {
        switch verdict {
        case .holds: "holds"
        case .holdsInPart: "holds in part"
        case .doesNotHold: "does not hold"
        case .noVendorLibrary: "no vendor library seen" + (opensLibraries ? " (may dlopen)" : "")
        }
    }

    init(of program: ProgramImage) {
        let facts = InspectionFacts(program)
        self.program = program.requested
        executable = program.image.path
        scripts = program.scripts
        kind = program.image.kind
        machine = program.image.machine + (program.image.is64Bit ? "" : ", 32-bit")
        interpreter = program.image.interpreter
        rpath = program.image.rpath
        runpath = program.image.runpath
        go = program.image.go.map { GoProgram(version: $0.version, cgo: $0.usesC) }
        libraries = facts.libraries
        opens = facts.opened
        interfaces = program.image.imports.filter { InspectionInterest.hooks.contains($0.name) }.map(\.description)
        opensLibraries = facts.opensLibraries
        reasons = InspectionReasons(program, facts).all
        let weights = Set(reasons.map(\.weight))
        verdict =
            if weights.contains(.breaks) { .doesNotHold } else if !facts.seesVendor { .noVendorLibrary } else {
                weights.contains(.weakens) ? .holdsInPart : .holds
            }
    }
}

/// What the reasons are made of.
struct InspectionFacts {
    /// The program and what it loads, without the vendors' own libraries: what these do inside is theirs.
    var own: [ELFImage]
    var libraries: [Inspection.Library]
    var opened: [String]
    /// Files with the CUDA runtime linked in.
    var staticRuntimes: [ELFImage]
    var opensLibraries: Bool

    init(_ program: ProgramImage) {
        let all = program.libraries.map { ($0, RuntimeLibrary.of($0.image.soname ?? $0.name) ?? .of($0.name)) }
        let own = [program.image] + all.filter { $0.1 == nil }.map(\.0.image)
        libraries =
            all.compactMap { library, runtime in
                runtime.map {
                    .init(
                        name: library.name, vendor: $0.vendor, path: library.image.path, neededBy: library.neededBy)
                }
            }
            + program.missing.compactMap { missing in
                RuntimeLibrary.of(missing.name).map {
                    .init(name: missing.name, vendor: $0.vendor, path: nil, neededBy: missing.neededBy)
                }
            }
        staticRuntimes = own.filter { image in
            !image.needed.contains { RuntimeLibrary.of($0)?.stem == "libcudart" }
                && (image.texts.contains(InspectionInterest.staticRuntime) || !image.sections.isEmpty)
        }
        let loaded = Set(libraries.compactMap { RuntimeLibrary.of($0.name)?.stem })
        opened = RuntimeLibrary.openedNames.filter { name in
            guard let stem = RuntimeLibrary.of(name)?.stem, !loaded.contains(stem) else { return false }
            return own.contains { $0.texts.contains(name) }
        }
        opensLibraries = own.contains { $0.imports("dlopen") || $0.imports("dlmopen") }
        self.own = own
    }

    var seesVendor: Bool { !libraries.isEmpty || !opened.isEmpty || !staticRuntimes.isEmpty }
}
