using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.ApiDocs;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>The pages under docs/api: complete, without dead links, and of the code as it is.</summary>
[TestClass]
public partial class ApiReferenceTests
{
    private static readonly ApiReference Reference = ApiReference.Create();

    private static readonly IReadOnlyDictionary<string, string> Pages = Reference.Pages();

    [TestMethod]
    public void EveryPublicTypeHasAPageAndALineInTheIndex()
    {
        Type[] known = [typeof(LoraTextClassificationTrainer), typeof(LoraTextClassificationTrainer.Options), typeof(LoraCatalogExtensions), typeof(LoraInitialization), typeof(OnnxTextTransformer)];
        CollectionAssert.IsSubsetOf(known, Reference.Types.ToList());
        foreach (var type in Reference.Types)
        {
            var page = Pages[ApiReference.FileName(type)];
            StringAssert.StartsWith(page, "# ");
            StringAssert.Contains(Pages[ApiReference.IndexName], $"]({ApiReference.FileName(type)})");
            Assert.IsFalse(page.Contains("inheritdoc", StringComparison.Ordinal), $"{type} shows an unresolved inheritdoc.");
        }
    }

    [TestMethod]
    public void EveryTypeSaysWhatItIs()
    {
        var silent = Reference.Types.Where(t => !Regex.IsMatch(Pages[ApiReference.FileName(t)], @"All types\]\(README\.md\)\.\n\n[^`\n]")).Select(t => t.FullName);
        Assert.AreEqual("", string.Join(", ", silent));
    }

    [TestMethod]
    public void EveryLinkLeadsSomewhere()
    {
        var links = 0;
        foreach (var (name, page) in Pages)
            foreach (Match link in Link().Matches(page))
            {
                var target = link.Groups["page"].Value;
                if (target.StartsWith("http", StringComparison.Ordinal))
                    continue;
                links++;
                Assert.IsTrue(Pages.TryGetValue(target, out var text), $"{name} links to {target}, which is not there.");
                if (link.Groups["anchor"] is { Success: true } anchor)
                    StringAssert.Contains(text, $"<a id=\"{anchor.Value}\"></a>", $"{name} links to {target}#{anchor.Value}.");
            }
        Assert.IsTrue(links > Reference.Types.Count, "The pages hardly link to each other.");
    }

    [TestMethod]
    public void MembersComeWithWhatTheyInherit()
    {
        // Overrides without a comment of their own: it is taken from the base class or the member referred to.
        const string OfTheBase = "What the strategy does to the function that the model computes before the first step.";
        StringAssert.Contains(Pages["Microsoft.ML.LoraInit.LoraInitialization.md"], OfTheBase);
        StringAssert.Contains(Pages["Microsoft.ML.LoraInit.GaussianInitialization.md"], OfTheBase);
        const string Referred = "The trained model, which holds native memory until disposed.";
        StringAssert.Contains(Pages["Microsoft.ML.LoraInit.LoraTextRegressionTrainer.md"], Referred);
    }

    /// <summary>Also the check that the pages in the source tree were written anew after the comments changed.</summary>
    [TestMethod]
    public void ThePagesInTheSourceTreeAreThoseOfTheCode()
    {
        const string Advice = "Run 'dotnet run --project eng/ApiDocs' and commit docs/api.";
        var folder = BuildSettings.Source("docs", "api");
        CollectionAssert.AreEquivalent(Pages.Keys.ToList(), Directory.GetFiles(folder).Select(f => Path.GetFileName(f)).ToList(), Advice);
        foreach (var (name, text) in Pages)
            Assert.AreEqual(text, File.ReadAllText(Path.Combine(folder, name)).ReplaceLineEndings("\n"), $"{name}: {Advice}");
    }

    [GeneratedRegex(@"\]\((?<page>[^)#]+)(#(?<anchor>[^)]+))?\)")]
    private static partial Regex Link();
}
