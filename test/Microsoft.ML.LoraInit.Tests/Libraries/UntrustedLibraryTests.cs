using System.IO.Compression;
using Microsoft.ML.LoraInit.Libraries;

namespace Microsoft.ML.LoraInit.Tests.Libraries;

/// <summary>Library archives that are not what <c>Save</c> writes.</summary>
[TestClass]
public sealed class UntrustedLibraryTests
{
    private static readonly Lazy<byte[]> Stored = new(() =>
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = MadeUpModels.Create("plain", MadeUpModels.Binary(), 3);
        library.Add("urgent", model);
        using var stream = new MemoryStream();
        LibraryArchive.Write(stream, library, new());
        return stream.ToArray();
    });

    [TestMethod]
    public void WhatWasSavedIsRead()
    {
        var (library, _) = LibraryArchive.Read(new MemoryStream(Stored.Value), new());
        using (library)
            Assert.AreEqual("urgent", library.Names.Single());
    }

    [TestMethod]
    [DataRow("library/other.bin", "the entry 'library/other.bin'")]
    [DataRow("../outside", "the entry '../outside'")]
    [DataRow("columns.json", "there twice")]
    public void AnEntryThatNobodyNamesIsRefused(string name, string told) =>
        StringAssert.Contains(Refusal(archive => archive.CreateEntry(name, CompressionLevel.NoCompression).Open().Dispose()), told);

    [TestMethod]
    public void AnArchiveThatGrowsWhenItIsUnpackedIsRefused()
    {
        var message = Refusal(archive =>
        {
            archive.GetEntry("library/adapter-1.safetensors")!.Delete();
            using var entry = archive.CreateEntry("library/adapter-1.safetensors", CompressionLevel.SmallestSize).Open();
            for (int i = 0; i < 300; i++)
                entry.Write(new byte[1 << 20]);
        });
        StringAssert.Contains(message, "larger than the archive");
    }

    [TestMethod]
    [DataRow(1)] // the numbers alone are more
    [DataRow(0)] // and with what is said of them
    public void ALibraryThatCouldNotBeReadAgainIsNotWritten(int below)
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = MadeUpModels.Create("plain", MadeUpModels.Binary(), 3);
        library.Add("urgent", model);
        using var stream = new MemoryStream();
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => LibraryArchive.Write(stream, library, new(), library.StoredBytes - below)).Message;
        StringAssert.Contains(message, "Save the library as a folder");
        Assert.AreEqual(0, stream.Length);
    }

    private static string Refusal(Action<ZipArchive> change)
    {
        using var stream = new MemoryStream();
        stream.Write(Stored.Value);
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true))
            change(archive);
        stream.Position = 0;
        return Assert.ThrowsExactly<InvalidDataException>(() => LibraryArchive.Read(stream, new())).Message;
    }
}
