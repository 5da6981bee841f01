using System.Diagnostics;
using System.Runtime.Versioning;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>What stands where an output is written.</summary>
[TestClass]
[OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
[UnsupportedOSPlatform("windows")]
public sealed class OutputFileTests
{
    // Neither what a new file has nor what one has while it is written.
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    [TestMethod]
    public void ALinkIsFollowedAndStays()
    {
        using var folder = new TemporaryFolder();
        var (real, link) = (folder.File("real.txt"), folder.File("out"));
        File.WriteAllText(real, "old");
        File.CreateSymbolicLink(link, "real.txt");

        AtomicFile.Write(link, stream => stream.Write("new"u8));

        Assert.AreEqual("real.txt", new FileInfo(link).LinkTarget);
        Assert.AreEqual("new", File.ReadAllText(real));
        Assert.HasCount(2, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void ALinkToNothingYetMakesWhatItNames()
    {
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(folder.File("out"), "later.txt");

        OutputPlace.Check(folder.File("out"), "--output");
        AtomicFile.Write(folder.File("out"), stream => stream.Write("new"u8));

        Assert.AreEqual("new", File.ReadAllText(folder.File("later.txt")));
    }

    [TestMethod]
    public void TheModeOfTheOldFileStays()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("out"), "old");
        File.SetUnixFileMode(folder.File("out"), Mode);

        AtomicFile.Write(folder.File("out"), stream => stream.Write("new"u8));

        Assert.AreEqual(Mode, File.GetUnixFileMode(folder.File("out")));
        Assert.AreEqual("new", File.ReadAllText(folder.File("out")));
    }

    [TestMethod]
    public async Task APipeIsWrittenToAndStaysAPipe()
    {
        using var folder = new TemporaryFolder();
        var pipe = folder.File("pipe");
        using (var make = Process.Start("mkfifo", [pipe]))
            await make.WaitForExitAsync();
        var read = OwnThread.Run(() => File.ReadAllText(pipe));

        OutputPlace.Check(pipe, "--output");
        AtomicFile.Write(pipe, stream => stream.Write("new"u8));

        Assert.AreEqual("new", await read.WaitAsync(TimeSpan.FromMinutes(2)));
        Assert.HasCount(1, Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    public void ADeviceIsWrittenTo()
    {
        OutputPlace.Check("/dev/null", "--output");
        AtomicFile.Write("/dev/null", stream => stream.Write("new"u8));

        Assert.IsFalse(Directory.GetFiles("/dev", ".null.*").Length > 0);
    }

    [TestMethod]
    public void WhatAFailedWriteWouldHaveReplacedIsAsItWas()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("out"), "old");

        Assert.ThrowsExactly<InvalidDataException>(() => AtomicFile.Write(folder.File("out"), stream =>
        {
            stream.Write("half"u8);
            throw new InvalidDataException();
        }));

        Assert.AreEqual("old", File.ReadAllText(folder.File("out")));
        Assert.HasCount(1, Directory.GetFiles(folder.Path));
    }

    /// <summary>The place is tried before a row is read: the training file is not there, and is not what the error is about.</summary>
    [TestMethod]
    [DataRow("--model", "/proc/model.mlnet")]
    [DataRow("--json", "/proc/report.json")]
    [DataRow("--checkpoint-dir", "/proc/checkpoints")]
    [DataRow("--tensorboard", "/proc/board/run")]
    public async Task AFolderThatCannotBeWrittenToFailsAtOnce(string option, string path)
    {
        using var folder = new TemporaryFolder();
        string[] model = option == "--model" ? [] : ["--model", folder.File("m.mlnet")];
        var run = await CommandLineRun.InProcess(["train", "--train", "/nowhere.tsv", "--kind", "binary", option, path, .. model]);

        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), option);
        StringAssert.Contains(run.Errors.Single(), path);
    }
}
