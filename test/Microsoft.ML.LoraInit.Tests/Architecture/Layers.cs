using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.LoraInit.Tests.Architecture;

/// <summary>A reference from a folder to one above it.</summary>
internal sealed record UpwardReference(string File, int Line, string From, string To, string Name)
{
    public override string ToString() => $"{File}:{Line}: {From} → {To} ({Name})";
}

/// <summary>
/// Finds references that run against an order of folders. Names, <c>var</c>, extension methods, <c>new()</c>, indexers, operators and
/// usings are seen, doc comments are not: they may point a reader anywhere. Since the order is of all folders, whatever runs in a cycle
/// runs upwards somewhere.
/// </summary>
/// <param name="order">The folders, the lowest first.</param>
/// <param name="root">The namespace of the folders' namespaces.</param>
internal sealed class Layers(IReadOnlyList<string> order, string root)
{
    /// <summary>Words of the language that the parser takes for names.</summary>
    private static readonly HashSet<string> Words = ["nameof", "notnull", "unmanaged"];

    private readonly Dictionary<string, int> _heights =
        order.Select((folder, height) => (folder, height)).ToDictionary(f => f.folder, f => f.height, StringComparer.Ordinal);

    /// <summary>Of sources whose paths begin with their folder; others, such as global usings, are passed over.</summary>
    /// <exception cref="AggregateException">A name has no meaning, as where a reference is missing.</exception>
    public IReadOnlyList<UpwardReference> Find(CSharpCompilation compilation) =>
        [.. compilation.SyntaxTrees.AsParallel().AsOrdered().Where(t => _heights.ContainsKey(Folder(t))).SelectMany(t => Find(compilation, t))];

    private HashSet<UpwardReference> Find(CSharpCompilation compilation, SyntaxTree tree)
    {
        var (model, folder) = (LibrarySources.Meaning(compilation, tree), Folder(tree));
        return [.. from node in tree.GetRoot().DescendantNodes()
                   from to in node is UsingDirectiveSyntax directive ? Used(directive) : Named(model, node)
                   where _heights.TryGetValue(to.Folder, out var height) && height > _heights[folder]
                   select new UpwardReference(tree.FilePath, node.GetLocation().GetLineSpan().StartLinePosition.Line + 1, folder, to.Folder, to.Name)];
    }

    private IEnumerable<(string Folder, string Name)> Used(UsingDirectiveSyntax directive)
    {
        var name = directive.NamespaceOrType.ToString();
        return name.StartsWith($"{root}.", StringComparison.Ordinal) ? [(name[(root.Length + 1)..].Split('.')[0], $"using {name}")] : [];
    }

    private static IEnumerable<(string Folder, string Name)> Named(SemanticModel model, SyntaxNode node)
    {
        if (node is not (SimpleNameSyntax or ImplicitObjectCreationExpressionSyntax or ElementAccessExpressionSyntax or BinaryExpressionSyntax)
            || node.FirstAncestorOrSelf<UsingDirectiveSyntax>() is not null)
            return [];
        var info = model.GetSymbolInfo(node);
        var symbol = info.Symbol ?? info.CandidateSymbols.FirstOrDefault();
        if (symbol is null && node is SimpleNameSyntax name && !Words.Contains(name.Identifier.Text))
            throw new ArgumentException($"{node.GetLocation().GetLineSpan()}: '{name}' means nothing here, so that nobody can tell where it points.");
        return from type in Types(symbol is IMethodSymbol { ReducedFrom: { } extension } ? extension : symbol)
               from declaration in type.DeclaringSyntaxReferences
               select (Folder(declaration.SyntaxTree), type.Name);
    }

    /// <summary>The outermost types that a symbol makes its user depend on.</summary>
    private static IEnumerable<INamedTypeSymbol> Types(ISymbol? symbol) => symbol switch
    {
        null or INamespaceSymbol or ITypeParameterSymbol or ILocalSymbol or IParameterSymbol or IRangeVariableSymbol or ILabelSymbol => [],
        INamedTypeSymbol { ContainingType: { } outer } nested => Types(outer).Concat(nested.TypeArguments.SelectMany(Types)),
        INamedTypeSymbol type => type.TypeArguments.SelectMany(Types).Prepend(type.OriginalDefinition),
        IArrayTypeSymbol array => Types(array.ElementType),
        IPointerTypeSymbol pointer => Types(pointer.PointedAtType),
        _ => Types(symbol.ContainingType),
    };

    private static string Folder(SyntaxTree tree) => tree.FilePath.Replace('\\', '/').Split('/')[0];
}
