using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Tests.Packaging;

namespace Microsoft.ML.LoraInit.Tests.Architecture;

/// <summary>The library's folders stand in the order of docs/architecture.md, and nothing refers to a folder above its own.</summary>
[TestClass]
public partial class LayeringTests
{
    private static readonly string Page = File.ReadAllText(BuildSettings.Source("docs", "architecture.md")).ReplaceLineEndings("\n");

    /// <summary>The one statement of the order: the rows of the page's table, the lowest first.</summary>
    private static readonly string[] Order = [.. Row().Matches(Page).Select(m => m.Groups[1].Value).Where(name => !name.Contains('/'))];

    [TestMethod]
    public void NothingRefersUpwards()
    {
        var upwards = new Layers(Order, LibrarySources.Namespace).Find(LibrarySources.Library);

        Assert.IsEmpty(upwards, $"docs/architecture.md has the order. Move a type down, or turn the reference round:\n{string.Join('\n', upwards)}");
    }

    [TestMethod]
    public void ThePagesTableNamesEveryFolderOnce() =>
        CollectionAssert.AreEqual(LibrarySources.Folders.ToList(), Order.Order(StringComparer.Ordinal).ToList());

    [TestMethod]
    public void ThePagesDrawingIsTheTablesOrder()
    {
        var drawing = Page.Split("```")[1];
        var boxes = drawing.Split('\n').Reverse().SelectMany(line => Box().Matches(line.Split('│')[0]).Select(m => m.Value));
        CollectionAssert.AreEqual(Order, boxes.ToArray());
    }

    [TestMethod]
    public void ThePageNamesOnlyFoldersThatExist()
    {
        foreach (Match row in Row().Matches(Page))
            Assert.IsTrue(Directory.Exists(Path.Combine(LibrarySources.Root, row.Groups[1].Value)), $"docs/architecture.md names '{row.Groups[1].Value}'.");
    }

    /// <summary>What users see is in the root, whatever folder it lies in.</summary>
    [TestMethod]
    public void NamespacesFollowFolders()
    {
        string[] roots = [LibrarySources.Namespace, "Microsoft.ML", "System.Runtime.CompilerServices"];
        foreach (var file in LibrarySources.Files)
            if (Space().Match(File.ReadAllText(Path.Combine(LibrarySources.Root, file))).Groups[1].Value is var space && !roots.Contains(space))
                Assert.AreEqual($"{LibrarySources.Namespace}.{file[..file.LastIndexOf('/')].Replace('/', '.')}", space, file);
    }

    [GeneratedRegex(@"^\| `([\w/]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"\b[A-Z]\w+")]
    private static partial Regex Box();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Space();
}
