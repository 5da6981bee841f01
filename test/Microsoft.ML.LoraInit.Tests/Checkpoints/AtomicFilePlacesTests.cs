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

    /// <summary>Of a link named without its folder .NET 10 finds a relative target in the root of the file system.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void ALinkNamedWithoutItsFolderIsFollowedInItsOwn()
    {
        var (link, real) = ($"link-{Guid.NewGuid():N}", $"real-{Guid.NewGuid():N}");
        try
        {
            File.CreateSymbolicLink(link, real);
            AtomicFile.Check(link);
            AtomicFile.Write(link, stream => stream.Write("new"u8));
            Assert.AreEqual("new", File.ReadAllText(real));
            Assert.AreEqual(real, new FileInfo(link).LinkTarget);
        }
        finally
        {
            File.Delete(link);
            File.Delete(real);
        }
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void LinksThatPointAtEachOtherAreRefusedAndStay()
    {
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(folder.File("one"), "two");
        File.CreateSymbolicLink(folder.File("two"), "one");

        foreach (var act in (Action[])[() => AtomicFile.Check(folder.File("one")), () => AtomicFile.Write(folder.File("one"), _ => { })])
            StringAssert.Contains(Assert.Throws<IOException>(act).Message, folder.File("one"));

        CollectionAssert.AreEquivalent(new[] { "one", "two" }, Directory.GetFiles(folder.Path).Select(p => new FileInfo(p).LinkTarget).ToArray());
    }

    [TestMethod]
    [DataRow(255)]
    [DataRow(220)]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void TheLongestNameIsWritten(int length)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File(new string('x', length));
        AtomicFile.Check(path);
        AtomicFile.Write(path, stream => stream.Write("new"u8));
        CollectionAssert.AreEqual(new[] { path }, Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void StarsInANameClearNoFilesOfOthers()
    {
        using var folder = new TemporaryFolder();
        string[] others = [folder.File(".a.txt.1.tmp"), folder.File(".*.txt.1.tmp"), folder.File(".*.1.old.tmp")];
        foreach (var other in others)
        {
            File.WriteAllText(other, "");
            File.SetLastWriteTimeUtc(other, DateTime.UtcNow.AddHours(-1));
        }
        AtomicFile.Write(folder.File("*"), _ => { });
        Assert.IsTrue(others.All(File.Exists));
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
