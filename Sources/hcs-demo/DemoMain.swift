import Foundation

/// `make demo`: the whole path on simulated devices, told step by step, with a table of promises at the end.
/// Exit status: 0 when every promise was kept, 1 when one was broken or the demo could not go on, 128 + N after signal N.
@main
enum DemoMain {
    static func main() async {
        // Files are made for another user's processes to read, whatever the caller's mask.
        umask(0o022)
        signal(SIGPIPE, SIG_IGN)
        let screen = Screen()
        let bench: Workbench
        do { bench = try Workbench() } catch {
            screen.line("hcs-demo: \(error)")
            exit(1)
        }
        let watch = SignalWatch { number in
            screen.line("\nInterrupted: ending what was started.")
            _ = bench.close()
            _exit(128 + number)
        }
        let demo = Demo(screen: screen, bench: bench)
        await demo.run()
        withExtendedLifetime(watch) {}
        exit(demo.promises.allKept ? 0 : 1)
    }
}
