import Foundation
import Testing

/// `swift-peft sweep --slurm`, with programs in the place of Slurm's; `scripts/slurm_test.sh` runs it in a real one.
@Suite struct SlurmScriptTests {
  /// A sandbox with the script for `sweep.json`, and programs called `srun` and `scontrol`.
  private func sandbox(_ flags: String..., srun: String = "shift 2; exec \"$@\"") throws -> Sandbox {
    let sandbox = try SweepVerbTests.sandbox()
    let script = try sandbox.start(["sweep", "sweep.json", "--slurm"] + flags).finish()
    #expect(script.status == 0, "\(script.err)")
    try sandbox.write("array.sh", script.out)
    try sandbox.write("bin/srun", "#!/bin/bash\necho \"$*\" >> srun.log\n\(srun)\n")
    try sandbox.write("bin/scontrol", "#!/bin/bash\necho \"$*\" >> scontrol.log\n")
    return sandbox
  }

  /// Runs a task of the array from elsewhere, as Slurm does.
  private func task(_ sandbox: Sandbox, _ number: Int, _ variables: String = "") throws -> Outcome {
    try sandbox.shell(
      "chmod +x bin/*; here=$PWD; cd /; PATH=\"$here/bin:$PATH\" SLURM_JOB_ID=8\(number) SLURM_ARRAY_TASK_ID=\(number) "
        + "\(variables) bash $here/array.sh")
  }

  @Test func theTasksOfTheArrayAreTheSweep() throws {
    let ordinary = try SweepVerbTests.sandbox()
    let table = try ordinary.run("sweep", "sweep.json", "--set", "name=a 'b'", "--set", "adapter.r=3").out

    let sandbox = try sandbox(
      "--set", "name=a 'b'", "--set", "adapter.r=3", "--threads", "2", "--jobs", "3", "--quiet")
    for number in 0..<4 {
      let outcome = try task(sandbox, number, "SLURM_CPUS_PER_TASK=2")
      #expect(outcome.status == 0 && outcome.err.isEmpty, "\(outcome.err)")
    }
    #expect(try sandbox.text("srun.log").hasPrefix("--ntasks=1 --cpus-per-task=2 /"))
    #expect(!sandbox.exists("scontrol.log"))
    let plain = try sandbox.run("sweep", "sweep.json", "--plan")
    #expect(plain.status == 73 && plain.errorLines.count == 4, "without the script's flags it is another config")

    // The line of the script that gathers the results.
    let script = try sandbox.text("array.sh").split(separator: "\n").map(String.init)
    for line in [
      "#!/bin/bash", "#SBATCH --job-name=a--b-", "#SBATCH --array=0-3%3", "#SBATCH --ntasks=1",
      "#SBATCH --cpus-per-task=2", "#SBATCH --signal=USR1@300", "#SBATCH --requeue",
      "#   job=$(sbatch --parsable FILE)",
    ] { #expect(script.contains(line), "\(line)") }
    let collect = try #require(script.first { $0.hasPrefix("#   sbatch --dependency=afterany:$job --wrap ") })
    try sandbox.write(
      "bin/sbatch", "#!/bin/bash\n[ \"$1 $2\" = '--dependency=afterany:7 --wrap' ] && cd / && sh -c \"$3\"\n")
    try sandbox.write("collect.sh", "job=7\n" + collect.dropFirst("#   ".count) + "\n")
    let outcome = try sandbox.shell("chmod +x bin/*; PATH=\"$PWD/bin:$PATH\" bash collect.sh")
    #expect(outcome.status == 0 && outcome.out == table, "\(outcome.err)")
  }

  @Test func thePlaceOfTheResultsIsPassedOn() throws {
    let sandbox = try sandbox("--output-dir", "my runs/tiny", "--database", "my.sqlite")
    let outcome = try task(sandbox, 1)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(sandbox.exists("my runs/tiny/strategy-lora_seed-2/run.sqlite"))
    #expect(try sandbox.text("srun.log").contains("--cpus-per-task=1 "), "the machine's own count is not Slurm's")
    let script = try sandbox.text("array.sh")
    #expect(script.contains("#SBATCH --array=0-3\n") && script.contains("\n##SBATCH --cpus-per-task=8 "))
  }

  @Test(arguments: [(138, 100, true), (138, 5000, false), (73, 100, false), (0, 100, false)])
  func onlyARunWhoseTimeIsUpStartsAgain(status: Int, seconds: Int, requeues: Bool) throws {
    let sandbox = try sandbox(srun: "exit \(status)")
    try sandbox.write("bin/squeue", "#!/bin/bash\ndate --date='\(seconds) seconds' +%FT%T\n")
    let outcome = try task(sandbox, 2)
    #expect(outcome.status == status)
    #expect(sandbox.exists("scontrol.log") == requeues)
    if requeues { #expect(try sandbox.text("scontrol.log") == "requeue 82\n") }
  }

  @Test(arguments: ["echo N/A", "echo NONE", "exit 1"])
  func aStoppedRunWithoutATimeLimitStaysStopped(squeue: String) throws {
    let sandbox = try sandbox(srun: "exit 138")
    try sandbox.write("bin/squeue", "#!/bin/bash\n\(squeue)\n")
    #expect(try task(sandbox, 2).status == 138)
    #expect(!sandbox.exists("scontrol.log"))
  }

  @Test func anArrayThatSlurmMayRefuseIsNoted() throws {
    let sandbox = try SweepVerbTests.sandbox()
    try sandbox.edit("sweep.json", "[1, 2]", "[\((1...501).map(String.init).joined(separator: ", "))]")
    let script = try sandbox.run("sweep", "sweep.json", "--slurm")
    #expect(script.status == 0 && script.out.contains("#SBATCH --array=0-1001\n"))
    #expect(
      script.err == "note: Slurm's usual limit is 1001 tasks per array, and this one has 1002; if yours refuses it, "
        + "start jobs that run sweep --worker\n")
  }
}
