using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints;

/// <summary>What stands at the place that is written to.</summary>
[TestClass]
public sealed class AtomicFilePlacesTests
{
    // Neither what a new file has nor what one has while it is written.
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void ALinkIsFollowedAndTheModeIsKept()
    {
        if (OperatingSystem.IsWindows())
            return; // for the compiler; the attribute leaves the test out there
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("real.txt"), "old");
        File.SetUnixFileMode(folder.File("real.txt"), Mode);
        File.CreateSymbolicLink(folder.File("one"), "real.txt");
        File.CreateSymbolicLink(folder.File("two"), folder.File("one"));

        AtomicFile.Write(folder.File("two"), stream => stream.Write("new"u8));

        Assert.AreEqual("new", File.ReadAllText(folder.File("real.txt")));
        Assert.AreEqual("real.txt", new FileInfo(folder.File("one")).LinkTarget);
        Assert.AreEqual(Mode, File.GetUnixFileMode(folder.File("real.txt")));
        Assert.AreEqual(3, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void APipeGetsTheContentAndStaysAPipe()
    {
        using var folder = new TemporaryFolder();
        var pipe = folder.File("pipe");
        Process.Start("mkfifo", [pipe]).WaitForExit();
        var read = OwnThread.Run(() => File.ReadAllText(pipe));

        AtomicFile.Check(pipe);
        AtomicFile.Write(pipe, stream => stream.Write("content"u8));

        Assert.AreEqual("content", read.Result);
        CollectionAssert.AreEqual(new[] { pipe }, Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void ADeviceStaysADevice()
    {
        AtomicFile.Write("/dev/null", stream => stream.Write("x"u8));
        Assert.IsTrue(LoraInit.Core.FileKind.IsSpecial("/dev/null"));
    }

    [TestMethod]
    public void WhatAKilledProcessLeftIsClearedAndWhatIsBeingWrittenIsNot()
    {
        using var folder = new TemporaryFolder();
        var (dead, alive) = (folder.File(".a.txt.1.tmp"), folder.File(".a.txt.2.tmp"));
        File.WriteAllText(dead, "half");
        using (var writer = new FileStream(alive, FileMode.CreateNew, FileAccess.Write, FileShare.None))
        {
            File.SetLastWriteTimeUtc(dead, DateTime.UtcNow.AddHours(-1));
            File.SetLastWriteTimeUtc(writer.SafeFileHandle, DateTime.UtcNow.AddHours(-1));
            AtomicFile.Write(folder.File("a.txt"), stream => stream.Write("x"u8));
            Assert.IsTrue(File.Exists(alive));
        }
        Assert.IsFalse(File.Exists(dead));
    }

    [TestMethod]
    public void APlaceThatCannotBeWrittenIsToldBeforeTheWork()
    {
        using var folder = new TemporaryFolder();
        Assert.ThrowsExactly<IOException>(() => AtomicFile.Check(folder.Path));
        Assert.ThrowsExactly<DirectoryNotFoundException>(() => AtomicFile.Check(folder.File("none/a")));
        AtomicFile.Check(folder.File("a"));
        Assert.AreEqual(0, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void AFolderThatTakesNoFilesIsToldBeforeTheWork()
    {
        var error = Assert.Throws<Exception>(() => AtomicFile.Check("/proc/self/model.mlnet"));
        StringAssert.Contains(error.Message, "/proc/");
        StringAssert.Contains(error.Message, "cannot be written");
    }
}
