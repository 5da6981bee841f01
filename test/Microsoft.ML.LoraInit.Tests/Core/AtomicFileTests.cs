
namespace Microsoft.ML.LoraInit.Tests.Core;

[TestClass]
public sealed class AtomicFileTests
{
    [TestMethod]
    public void ReplacesTheWholeContent()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.txt"), "a long old content");
        AtomicFile.Write(folder.File("a.txt"), stream => stream.Write("new"u8));
        Assert.AreEqual("new", File.ReadAllText(folder.File("a.txt")));
        Assert.AreEqual(1, Directory.GetFiles(folder.Path).Length);
    }

    [TestMethod]
    public void AFailureLeavesTheOldContentAndNoTemporaryFile()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.txt"), "old");
        var error = Assert.ThrowsExactly<IOException>(() => AtomicFile.Write(folder.File("a.txt"), stream =>
        {
            stream.Write("ne"u8);
            throw new IOException("No space left on device");
        }));
        StringAssert.Contains(error.Message, folder.File("a.txt"));
        StringAssert.Contains(error.Message, "No space left");
        Assert.AreEqual("old", File.ReadAllText(folder.File("a.txt")));
        Assert.AreEqual(1, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    [TestMethod]
    public void CancellationPassesThrough()
    {
        using var folder = new TemporaryFolder();
        Assert.ThrowsExactly<OperationCanceledException>(() => AtomicFile.Write(folder.File("a"), _ => throw new OperationCanceledException()));
        Assert.AreEqual(0, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    [TestMethod]
    public void AMissingFolderIsNamed()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "none", "a");
        var error = Assert.ThrowsExactly<DirectoryNotFoundException>(() => AtomicFile.Write(path, _ => { }));
        StringAssert.Contains(error.Message, path);
    }
}
