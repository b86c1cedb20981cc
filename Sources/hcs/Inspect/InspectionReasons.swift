import HCSModel
import HCSSystem

/// The sentences behind a verdict, the weightiest first.
struct InspectionReasons {
    typealias Reason = Inspection.Reason

    private let program: ProgramImage
    private let image: ELFImage
    private let facts: InspectionFacts

    init(_ program: ProgramImage, _ facts: InspectionFacts) {
        self.program = program
        self.image = program.image
        self.facts = facts
    }

    var all: [Reason] {
        let breaking = breaks
        // Where the preload library never comes in, the ways past it are no news.
        let rest = breaking.isEmpty ? weakenings + covered + notes : []
        return breaking + rest.filter { $0.weight == .weakens } + throughScript + rest.filter { $0.weight == .note }
    }

    // MARK: What keeps the preload library out

    private var breaks: [Reason] {
        guard image.isNative else { return [otherMachine] }
        var reasons: [Reason] = []
        switch image.kind {
        case .staticProgram, .staticPIE: reasons.append(isStatic)
        case .dynamicProgram: reasons += foreignLoader
        case .sharedLibrary: break
        }
        if program.isSecure { reasons.append(secureExecution) }
        return reasons
    }

    private var otherMachine: Reason {
        let what = image.is64Bit ? "\(image.machine) program" : "32-bit \(image.machine) program"
        return Reason(
            weight: .breaks, detail: "It is a \(what): the preload library of this host is not loaded into it.",
            action: "Use a 64-bit build for this host, or run hcs inspect on the host that will run it.")
    }

    private var isStatic: Reason {
        let linked = image.kind == .staticPIE ? "statically linked (static-pie)" : "statically linked"
        let what = image.go.map { "a Go program\($0.version.map { " (\($0))" } ?? ""), \(linked)" } ?? linked
        let remedy = image.go == nil ? "Link it dynamically." : "Build it with CGO_ENABLED=1 and external linking."
        return Reason(
            weight: .breaks, detail: "It is \(what): no loader runs that would read LD_PRELOAD.",
            action: "\(remedy) Programs that it only starts can get the quota: inspect those.")
    }

    private var foreignLoader: [Reason] {
        let path = image.interpreter ?? ""
        switch image.loader {
        case .glibc: return []
        case .musl:
            return [
                Reason(
                    weight: .breaks,
                    detail: "Its loader is musl's (\(path)): the preload library and the vendors' libraries are for "
                        + "glibc.",
                    action: "Use a build for glibc, in an image of Debian, Ubuntu, RHEL or the like instead of Alpine.")
            ]
        case .android:
            return [
                Reason(
                    weight: .breaks,
                    detail: "Its loader is Android's (\(path)), which takes no library made for glibc.",
                    action: "Use a build for glibc.")
            ]
        case .unknown, nil:
            return [
                Reason(
                    weight: .weakens,
                    detail: "Its loader \(path) is not known: whether it reads LD_PRELOAD is its choice.",
                    action: "Have it run by the loader of glibc, or try it on a small quota first.")
            ]
        }
    }

    private var secureExecution: Reason {
        let bits = [
            image.isSetUser ? "setuid" : nil, image.isSetGroup ? "setgid" : nil,
            image.hasCapabilities ? "file capabilities" : nil,
        ].compactMap { $0 }.joined(separator: " and ")
        return Reason(
            weight: .breaks,
            detail: "It has \(bits): the loader runs it in secure execution and ignores LD_PRELOAD for everyone whose "
                + "rights it changes.",
            action: "Take that off a copy of it (chmod u-s,g-s; setcap -r) and give the rights to the service instead.")
    }

    // MARK: Ways past it

    private var weakenings: [Reason] {
        var reasons: [Reason] = []
        for file in facts.own where file.imports("dlmopen") && !facts.staticRuntimes.contains(file) {
            reasons.append(
                Reason(
                    weight: .weakens,
                    detail: "\(subject(file)) imports dlmopen: what it loads into a namespace of its own sees no "
                        + "preload library.",
                    action: "Load vendors' libraries with dlopen. The agent reports what such a namespace takes as an "
                        + "escape."))
        }
        for (file, runtime) in uncovered {
            reasons.append(
                Reason(
                    weight: .weakens,
                    detail: "\(subject(file)) needs \(runtime) itself, below the lowest layer with a quota.",
                    action: "Use the runtime above it. The agent reports what it takes there as an escape."))
        }
        for file in facts.own where file.isSymbolic && !hooked(file.definitions).isEmpty && file.path != image.path {
            reasons.append(
                Reason(
                    weight: .weakens,
                    detail: "\(subject(file)) is linked with -Bsymbolic and has copies of its own, of "
                        + "\(shortened(hooked(file.definitions))): it calls these past the preload library.",
                    action: "Link it against the vendor's shared library, or without -Bsymbolic."))
        }
        return reasons
    }

    /// Files that need a library below the hooks, unless that is a vendor's own doing.
    private var uncovered: [(ELFImage, String)] {
        facts.own.flatMap { file in
            file.needed.filter { RuntimeLibrary.of($0)?.isCovered == false }.map { (file, $0) }
        }
    }

    // MARK: What is covered

    private var covered: [Reason] {
        var reasons = facts.libraries.map { library in
            let by = library.neededBy == image.path ? "It needs" : "\(library.neededBy) needs"
            let place = library.path.map { "found as \($0)" } ?? "which is not on this host's search path"
            return Reason(
                weight: .note, detail: "\(by) \(library.name) (\(library.vendor.displayName)), \(place).",
                action: library.path == nil
                    ? "Run hcs inspect with the workload's LD_LIBRARY_PATH, or where it will run."
                    : "Nothing: its calls go through the preload library.")
        }
        for file in facts.staticRuntimes {
            reasons.append(
                Reason(
                    weight: .note,
                    detail: "\(subject(file)) has the CUDA runtime linked in statically. It finds the driver by "
                        + "dlopen, dlsym and cuGetProcAddress, which the preload library answers.",
                    action: "Nothing; with nvcc --cudart shared the calls are seen one layer higher."))
            guard file.imports("dlmopen") else { continue }
            reasons.append(
                note(
                    "\(subject(file)) imports dlmopen, as the CUDA runtime does to load profilers.",
                    "Nothing, unless its own code calls dlmopen: a namespace of its own sees no preload library."))
        }
        if !facts.opened.isEmpty, facts.staticRuntimes.isEmpty {
            let files = facts.own.filter { !$0.texts.isDisjoint(with: facts.opened) }.map(subject)
            reasons.append(
                Reason(
                    weight: .note,
                    detail: "\(files.joined(separator: " and ")) has the name \(shortened(facts.opened)) in it, as for "
                        + "dlopen: dlsym is answered by the preload library.",
                    action: "Nothing, unless the next reason applies."))
        }
        let definitions = hooked(image.definitions)
        if !definitions.isEmpty {
            reasons.append(
                Reason(
                    weight: facts.staticRuntimes.isEmpty ? .weakens : .note,
                    detail: "It exports \(shortened(definitions)) itself, which comes before the preload library's.",
                    action: facts.staticRuntimes.isEmpty
                        ? "Link it against the vendor's shared library, without copies of its functions."
                        : "Nothing: the driver below is covered."))
        }
        return reasons
    }

    // MARK: Notes

    private var throughScript: [Reason] {
        program.scripts.first.map {
            [
                note(
                    "\($0) is a script: \(image.path) runs it, and is what was looked at.",
                    "Inspect also the programs and extension modules that the script loads.")
            ]
        } ?? []
    }

    private var notes: [Reason] {
        var reasons: [Reason] = []
        if image.kind == .sharedLibrary {
            reasons.append(
                note(
                    "It is a shared library: a quota holds for the program that loads it.",
                    "Inspect that program as well."))
        }
        if facts.opensLibraries {
            let files = facts.own.filter { $0.imports("dlopen") || $0.imports("dlmopen") }.map(subject)
            reasons.append(
                note(
                    "\(shortened(files)) can open libraries at run time. Which ones, and whether with "
                        + "RTLD_DEEPBIND, which binds a library to its own needs before the preload library, cannot be seen in the file.",
                    "Inspect the libraries that it opens; do not open them with RTLD_DEEPBIND."))
        }
        if let go = image.go {
            let c = go.usesC == false ? "without cgo" : go.usesC == true ? "with cgo" : "cgo unknown"
            reasons.append(
                note(
                    "It is a Go program (\(go.version ?? "version unknown"), \(c)), linked dynamically: what it "
                        + " calls through the loader is covered, system calls of its own are not.",
                    "Nothing where it uses the vendor's library."))
        }
        if image.rpath != nil || image.runpath != nil {
            let (tag, value) = image.rpath.map { ("RPATH", $0) } ?? ("RUNPATH", image.runpath ?? "")
            reasons.append(
                note(
                    "Its \(tag) is \(value): it may load other copies of vendors' libraries than the host's.",
                    "Nothing: the preload library answers for every copy."))
        }
        reasons += unfound
        if let incomplete = program.incomplete {
            reasons.append(
                note("Not all was looked at: \(incomplete).", "Inspect the libraries that matter one by one."))
        }
        return reasons
    }

    private var unfound: [Reason] {
        let others = program.missing.filter { RuntimeLibrary.of($0.name) == nil }
        guard !others.isEmpty else { return [] }
        let names = shortened(others.map { "\($0.name) (for \($0.neededBy))" })
        return [
            note(
                "Not found on this host: \(names); what these need is unknown.",
                "Run hcs inspect with the workload's LD_LIBRARY_PATH, or where it will run.")
        ]
    }

    private func note(_ detail: String, _ action: String) -> Reason {
        Reason(weight: .note, detail: detail, action: action)
    }

    private func subject(_ file: ELFImage) -> String { file.path == image.path ? "It" : file.path }

    private func hooked(_ names: [String]) -> [String] { names.filter(InspectionInterest.hooks.contains) }

    /// Four of many: the rest is in the JSON or not worth a line.
    private func shortened(_ names: [String]) -> String {
        let shown = names.prefix(4).joined(separator: ", ")
        return names.count > 4 ? "\(shown) and \(names.count - 4) more" : shown
    }
}
