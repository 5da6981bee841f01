using System.Collections.Immutable;
using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// The adapters of a library by name. Readers see one unchanging dictionary; who uses adapters holds them, and what is removed
/// or replaced is freed when the last use ends.
/// </summary>
/// <param name="free">Frees the base, after the last use of the library.</param>
internal sealed class AdapterRegistry(Action free)
{
    // An error that lists a thousand names says less.
    private const int NamesTold = 20;

    private readonly SharedLifetime _lifetime = new(free, nameof(AdapterLibrary));
    private readonly Lock _gate = new();
    private ImmutableSortedDictionary<string, LibraryAdapter> _adapters = ImmutableSortedDictionary.Create<string, LibraryAdapter>(StringComparer.Ordinal);
    private volatile bool _isClosed;

    /// <summary>The adapters as they are now; another object after each change.</summary>
    public ImmutableSortedDictionary<string, LibraryAdapter> Adapters => Volatile.Read(ref _adapters);

    /// <summary>Begins a use of the base and of adapters.</summary>
    /// <exception cref="ObjectDisposedException">The library was disposed.</exception>
    public Hold Enter() => new(this);

    /// <param name="name">An adapter's name.</param>
    /// <param name="row">The row that names it, from 0, or null.</param>
    /// <exception cref="ArgumentException">There is none; the message lists those that there are, or the first of many.</exception>
    public LibraryAdapter Find(string? name, long? row)
    {
        var adapters = Adapters;
        if (name is not null && adapters.TryGetValue(name, out var found))
            return found;
        ObjectDisposedException.ThrowIf(_isClosed, typeof(AdapterLibrary));
        var more = adapters.Count > NamesTold ? $" and {adapters.Count - NamesTold:N0} more" : "";
        var known = adapters.Count == 0 ? "The library is empty." : $"The library has: {string.Join(", ", adapters.Keys.Take(NamesTold).Select(n => $"'{n}'"))}{more}.";
        throw new ArgumentException($"{(row is null ? "There" : $"Row {row + 1}: there")} is no adapter '{name}'. {known}");
    }

    /// <exception cref="ArgumentException">The name is empty, or in use and not to be replaced.</exception>
    public void CheckName(string name, bool replace)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ObjectDisposedException.ThrowIf(_isClosed, typeof(AdapterLibrary));
        if (!replace && Adapters.ContainsKey(name))
            throw new ArgumentException($"There is an adapter '{name}' already: choose another name, or replace it (replace: true).", nameof(name));
    }

    /// <summary>Puts an adapter in; taken over, also where this fails.</summary>
    public void Add(LibraryAdapter adapter, bool replace)
    {
        LibraryAdapter? replaced;
        try
        {
            lock (_gate)
            {
                CheckName(adapter.Name, replace);
                replaced = _adapters.GetValueOrDefault(adapter.Name);
                Volatile.Write(ref _adapters, _adapters.SetItem(adapter.Name, adapter));
            }
        }
        catch
        {
            adapter.Close();
            throw;
        }
        replaced?.Close();
    }

    /// <summary>Takes an adapter out.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Remove(string name)
    {
        LibraryAdapter? removed;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(AdapterLibrary));
            removed = _adapters.GetValueOrDefault(name);
            Volatile.Write(ref _adapters, _adapters.Remove(name));
        }
        removed?.Close();
        return removed is not null;
    }

    /// <summary>Ends everything once no use is under way.</summary>
    public void Close()
    {
        ImmutableSortedDictionary<string, LibraryAdapter> closed;
        lock (_gate)
        {
            closed = _adapters;
            _isClosed = true;
            Volatile.Write(ref _adapters, closed.Clear());
        }
        foreach (var adapter in closed.Values)
            adapter.Close();
        _lifetime.Close();
    }

    /// <summary>The base and the adapters of one call, kept from being freed until it ends.</summary>
    public sealed class Hold : IDisposable
    {
        private readonly AdapterRegistry _registry;
        private readonly List<SharedLifetime.Use> _uses = [];
        private readonly Dictionary<string, LibraryAdapter> _byName = new(StringComparer.Ordinal);

        public Hold(AdapterRegistry registry)
        {
            _registry = registry;
            _uses.Add(registry._lifetime.Enter());
        }

        /// <summary>An adapter by name: the same one for the whole call, also where another takes its place meanwhile.</summary>
        /// <param name="name">Its name.</param>
        /// <param name="row">The row that names it, from 0, or null.</param>
        /// <exception cref="ArgumentException">There is none.</exception>
        public LibraryAdapter Get(string? name, long? row)
        {
            if (name is not null && _byName.TryGetValue(name, out var held))
                return held;
            while (true)
            {
                var found = _registry.Find(name, row);
                if (TryHold(found))
                    return found;
            }
        }

        /// <summary>All adapters that there are.</summary>
        public IReadOnlyList<LibraryAdapter> All() => [.. _registry.Adapters.Values.Where(TryHold)];

        public void Dispose()
        {
            foreach (var use in _uses)
                use.Dispose();
        }

        // Fails where the adapter was removed or replaced since it was looked up.
        private bool TryHold(LibraryAdapter adapter)
        {
            try
            {
                _uses.Add(adapter.Enter());
            }
            catch (ObjectDisposedException)
            {
                return false;
            }
            _byName[adapter.Name] = adapter;
            return true;
        }
    }
}
