namespace Microsoft.ML.LoraInit.Tests.Architecture;

/// <summary>The check of layers, on made-up sources: each way to refer upwards is seen, with file and line.</summary>
[TestClass]
public class LayersTests
{
    private const string High = "namespace Made.High; public class Top; public static class Ways { public static int Of(this int x) => x; public static Top Make() => new(); }";

    [TestMethod]
    [DataRow("class C : Made.High.Top;", "Low/A.cs:2: Low → High (Top)")]
    [DataRow("class C { int F() => Made.High.Ways.Of(1); }", "Low/A.cs:2: Low → High (Ways)")]
    [DataRow("class C { System.Collections.Generic.List<Made.High.Top[]>? F; }", "Low/A.cs:2: Low → High (Top)")]
    public void AReferenceUpwardsIsFoundWithFileAndLine(string source, string expected) =>
        CollectionAssert.AreEqual((string[])[expected], Find(("Low/A.cs", $"namespace Made.Low;\n{source}"), ("High/B.cs", High)));

    [TestMethod]
    public void AUsingAndAnExtensionMethodAreFound() => CollectionAssert.AreEqual(
        (string[])["Low/A.cs:1: Low → High (using Made.High)", "Low/A.cs:3: Low → High (Ways)"],
        Find(("Low/A.cs", "using Made.High;\nnamespace Made.Low;\nclass C { int F() => 1.Of(); }"), ("High/B.cs", High)));

    /// <summary>The lower file names nothing of the higher folder: what lies in no folder hands it out.</summary>
    [TestMethod]
    public void AnInferredTypeIsFound() => CollectionAssert.AreEqual(
        (string[])["Low/A.cs:1: Low → High (Top)"],
        Find(("Low/A.cs", "namespace Made.Low; class A { void F() { var top = Handed.Out(); } }"),
            ("Handed.cs", "static class Handed { public static Made.High.Top Out() => new(); }"), ("High/B.cs", High)));

    [TestMethod]
    public void ACycleIsAnUpwardReference() => CollectionAssert.AreEqual(
        (string[])["Low/A.cs:1: Low → High (B)"],
        Find(("Low/A.cs", "namespace Made.Low; class A { Made.High.B? Other; }"), ("High/B.cs", "namespace Made.High; class B { Made.Low.A? Other; }")));

    [TestMethod]
    public void DownwardsWithinAFolderAndInCommentsAllIsWell() => Assert.IsEmpty(Find(
        ("Low/A.cs", "namespace Made.Low; /// <see cref=\"Made.High.B\"/>\npublic class A { A? Same; }"), ("High/B.cs", "using Made.Low;\nnamespace Made.High; class B { A? Lower; }")));

    [TestMethod]
    public void ANameWithoutMeaningIsNotPassedOver() =>
        StringAssert.Contains(Assert.ThrowsExactly<AggregateException>(() => Find(("Low/A.cs", "class A { void F() { Gone.Of(); } }"))).Message, "'Gone' means nothing");

    private static string[] Find(params (string Path, string Text)[] sources) =>
        [.. new Layers(["Low", "High"], "Made").Find(LibrarySources.Compile(sources)).Select(u => u.ToString())];
}
