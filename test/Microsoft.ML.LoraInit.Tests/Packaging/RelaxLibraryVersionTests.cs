namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>What the build does to TorchSharp's Linux library, on made-up and damaged files and on the real one.</summary>
[TestClass]
public class RelaxLibraryVersionTests
{
    private const byte Weak = 2;

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void AVersionThatNothingUsesBecomesWeakAndAllElseStays(bool gnuHash)
    {
        var elf = new SmallElf { GnuHash = gnuHash };
        var file = elf.Build();

        Assert.AreEqual(1, Relax(file));
        CollectionAssert.AreEqual((elf with { Flags = Weak }).Build(), file);
        Assert.AreEqual(1, Relax(file), "Once more.");
        CollectionAssert.AreEqual((elf with { Flags = Weak }).Build(), file);
    }

    [TestMethod]
    public void AFileThatDoesNotNeedTheVersionStaysAsItIs()
    {
        var elf = new SmallElf { NeededVersion = "GLIBCXX_3.4.30" };
        var file = elf.Build();

        Assert.AreEqual(0, Relax(file));
        CollectionAssert.AreEqual(elf.Build(), file);
    }

    [TestMethod]
    public void TheVersionOfAnotherLibraryIsNotMeant() =>
        Assert.AreEqual(0, RelaxLibraryVersion.Relax(new SmallElf().Build(), "libm.so.6", SmallElf.Version, SmallElf.Unused));

    [TestMethod]
    public void ARelocationOrACallOfTheSymbolIsAUse()
    {
        Refused(new SmallElf { Relocations = [0, 2] }.Build(), SmallElf.Unused);
        Refused(new SmallElf { Calls = [1, 2] }.Build(), SmallElf.Unused);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void AnotherSymbolOfTheVersionIsAUse(bool gnuHash) =>
        Refused(new SmallElf { Imports = [SmallElf.Unused, "_ZSt4used"], GnuHash = gnuHash }.Build(), "_ZSt4used of GLIBCXX_3.4.32");

    [TestMethod]
    [DataRow(17ul, 0ul, DisplayName = "DT_REL")]
    [DataRow(20ul, 17ul, DisplayName = "calls by DT_REL")]
    [DataRow(9ul, 16ul, DisplayName = "entries of another length")]
    [DataRow(0x60000011ul, 0ul, DisplayName = "packed")]
    public void RelocationsThatCannotBeReadAreNotPassedOver(ulong tag, ulong value) => Refused(new SmallElf { Also = [(tag, value)] }.Build(), "relocations");

    [TestMethod]
    [DataRow(0, 0, "not an ELF file")]
    [DataRow(4, 1, "64-bit little-endian", DisplayName = "32 bits")]
    [DataRow(5, 2, "64-bit little-endian", DisplayName = "big-endian")]
    [DataRow(18, 183, "not for x64", DisplayName = "ARM64")]
    [DataRow(54, 8, "program headers", DisplayName = "short program headers")]
    [DataRow(56, 1, "no dynamic section")]
    [DataRow(33, 255, "ends early", DisplayName = "program headers elsewhere")]
    public void AnotherKindOfFileIsRefused(int at, int value, string expected)
    {
        var file = new SmallElf().Build();
        file[at] = (byte)value;
        Refused(file, expected);
    }

    [TestMethod]
    public void AFileCutAnywhereIsRefused()
    {
        var whole = new SmallElf().Build();
        for (var length = 0; length < whole.Length - 16; length++) // the last 16 bytes end the dynamic section, as the end of the file does
            Refused(whole[..length], "");
    }

    [TestMethod]
    public void DamageIsRefusedOrHarmlessAndNeverAnotherError()
    {
        var random = new Random(1);
        var whole = new SmallElf().Build();
        var refused = 0;
        for (var run = 0; run < 30_000; run++)
        {
            var file = (byte[])whole.Clone();
            for (var flips = random.Next(1, 4); flips > 0; flips--)
                file[random.Next(file.Length)] ^= (byte)(1 << random.Next(8));
            var before = (byte[])file.Clone();
            try
            {
                Relax(file);
                Assert.IsTrue(file.Zip(before).Count(b => b.First != b.Second) <= 1);
            }
            catch (InvalidDataException)
            {
                refused++;
                CollectionAssert.AreEqual(before, file);
            }
        }
        Assert.IsTrue(refused is > 3_000 and < 30_000, $"{refused} refused");
    }

    /// <summary>A table of four billion libraries with 65,535 versions each, all of which lie over one another: hours, if walked.</summary>
    [TestMethod]
    [Timeout(60_000, CooperativeCancellation = false)]
    public void AHugeTableIsGivenUpSoon()
    {
        var elf = new SmallElf().Build();
        var (needs, needsAt) = Dynamic(elf, 0x6ffffffe);
        var (_, countAt) = Dynamic(elf, 0x6fffffff);
        byte[] entry = [1, 0, 0xff, 0xff, .. elf.AsSpan(needs + 4, 4), 16, 0, 0, 0, 16, 0, 0, 0];
        byte[] file = [.. elf, .. Enumerable.Repeat(entry, 1 << 18).SelectMany(e => e)];
        BitConverter.TryWriteBytes(file.AsSpan(64 + 32), (ulong)file.Length);
        BitConverter.TryWriteBytes(file.AsSpan(needsAt), (ulong)elf.Length);
        BitConverter.TryWriteBytes(file.AsSpan(countAt), (ulong)uint.MaxValue);

        Refused(file, "table of versions is damaged");
    }

    [TestMethod]
    public void TheRealLibraryDiffersInOneByteAndTheBuildUsesThat()
    {
        var original = File.ReadAllBytes(Path.Combine(BuildSettings.Get("PackageFolder"), "torchsharp", BuildSettings.Get("TorchSharpVersion"), "runtimes", "linux-x64", "native", "libLibTorchSharp.so"));
        var file = (byte[])original.Clone();
        var entries = RelaxLibraryVersion.Relax(file, SmallElf.Library, SmallElf.Version, "_ZSt21ios_base_library_initv");

        Assert.AreEqual(original.AsSpan().IndexOf("GLIBCXX_3.4.32"u8) < 0 ? 0 : 1, entries);
        Assert.AreEqual(entries, original.Zip(file).Count(b => b.First != b.Second));
        Assert.IsTrue(file.AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so"))));
    }

    private static int Relax(byte[] file) => RelaxLibraryVersion.Relax(file, SmallElf.Library, SmallElf.Version, SmallElf.Unused);

    private static void Refused(byte[] file, string expected)
    {
        var before = (byte[])file.Clone();
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Relax(file)).Message, expected);
        Assert.IsTrue(before.AsSpan().SequenceEqual(file));
    }

    /// <summary>The value of a tag, and where it stands.</summary>
    private static (int Value, int At) Dynamic(byte[] file, ulong tag)
    {
        for (var at = (int)BitConverter.ToUInt64(file, 64 + 56 + 8); ; at += 16)
            if (BitConverter.ToUInt64(file, at) == tag)
                return ((int)BitConverter.ToUInt64(file, at + 8), at + 8);
    }
}
